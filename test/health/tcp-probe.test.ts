import { describe } from 'vitest';
import { startProbedServer } from '../_util/health-server.ts';
import { describeProbe } from './probe.contract.ts';

describe('the tcp probe', () => {
  describeProbe('tcp', () => startProbedServer());
});
