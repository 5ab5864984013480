import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GATEWAY_ID_FILE, loadGatewayId } from '../../../src/feeds/rabbitmq/gateway-id.ts';
import { createConfigFolder } from '../../_util/config-folder.ts';

test('a gateway keeps its name, and no other has it', () => {
  using folder = createConfigFolder({});
  using other = createConfigFolder({});
  const id = loadGatewayId(folder.path);
  expect(id).toMatch(/^[0-9a-f]{16}$/);
  expect(loadGatewayId(folder.path)).toBe(id);
  expect(loadGatewayId(other.path)).not.toBe(id);
  expect(statSync(join(folder.path, GATEWAY_ID_FILE)).mode & 0o777).toBe(0o600);
  expect(existsSync(join(folder.path, `${GATEWAY_ID_FILE}.new`))).toBe(false);
});

test('a name that can stand in no queue is made anew', () => {
  using folder = createConfigFolder({});
  writeFileSync(join(folder.path, GATEWAY_ID_FILE), '../x\n');
  const id = loadGatewayId(folder.path);
  expect(id).toMatch(/^[0-9a-f]{16}$/);
  expect(loadGatewayId(folder.path)).toBe(id);
});

test('a link in place of the draft is replaced, not followed', () => {
  using folder = createConfigFolder({ 'other.txt': 'kept' });
  const other = join(folder.path, 'other.txt');
  symlinkSync(other, join(folder.path, `${GATEWAY_ID_FILE}.new`));
  loadGatewayId(folder.path);
  expect(readFileSync(other, 'utf8')).toBe('kept');
  expect(statSync(join(folder.path, GATEWAY_ID_FILE)).mode & 0o777).toBe(0o600);
});

test('a folder that cannot hold it is said', () => {
  expect(() => loadGatewayId('/nowhere')).toThrow(expect.objectContaining({ code: 'ICAPGW_FEED_STATE' }));
});
