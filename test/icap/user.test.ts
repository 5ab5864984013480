import { describe, expect, test } from 'vitest';
import { decodeUser, encodeUser } from '../../src/icap/user.ts';

const base64 = (text: string, encoding: BufferEncoding = 'utf8') => Buffer.from(text, encoding).toString('base64');
const bytes = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

function userOf(fields: Readonly<Record<string, string>>): string | undefined {
  return decodeUser(
    Object.entries(fields).map(([name, value]) => ({ name, key: name.toLowerCase(), value, offset: 0 })),
  );
}

describe('the user for servers', () => {
  test.each([
    { value: 'MYDOMAIN\\user1', uri: 'WinNT://MYDOMAIN/user1' },
    { value: 'alice', uri: 'WinNT://alice' },
    { value: 'alice@example.net', uri: 'WinNT://alice@example.net' },
    { value: 'WinNT://DOM/alice', uri: 'WinNT://DOM/alice' },
    { value: 'LDAP://ldap.example.net/cn=alice', uri: 'LDAP://ldap.example.net/cn=alice' },
    { value: bytes('Zoë'), uri: 'WinNT://Zoë' },
    // Four characters that are valid base64, and a name all the same.
    { value: 'anna', uri: 'WinNT://anna' },
  ])('$value is told as $uri', ({ value, uri }) => {
    expect(encodeUser(value)).toBe(base64(uri));
  });

  test.each(['WinNT://DOM/alice', 'Local://alice', 'Radius://alice', 'LDAP://h/cn=a'])('%s in base64 stays', (uri) => {
    expect(encodeUser(base64(uri))).toBe(base64(uri));
  });
});

describe('the user for people', () => {
  test.each([
    [{ 'X-Authenticated-User': base64('WinNT://MYDOMAIN/user1') }, 'MYDOMAIN\\user1'],
    [{ 'X-Authenticated-User': base64('winnt://alice') }, 'alice'],
    [{ 'X-Authenticated-User': 'WinNT://DOM/alice' }, 'DOM\\alice'],
    [{ 'X-Authenticated-User': 'alice' }, 'alice'],
    [{ 'X-Authenticated-User': base64('Local://alice') }, 'Local://alice'],
    [{ 'X-Authenticated-User': base64('WinNT://DOM/Zoë') }, 'DOM\\Zoë'],
    [{ 'X-Authenticated-User': bytes('Zoë') }, 'Zoë'],
    [{ 'X-Client-Username': 'dom\\alice' }, 'dom\\alice'],
    [{ 'X-Client-Username': 'b', 'X-Authenticated-User': base64('WinNT://D/a') }, 'D\\a'],
    [{ 'X-Client-Username': 'b', 'X-Authenticated-User': '' }, 'b'],
    [{ 'X-Client-Username': '' }, undefined],
    [{ 'Proxy-Authorization': `Basic ${base64('alice:secret')}` }, undefined],
    [{}, undefined],
  ])('%j: %s', (fields, user) => {
    expect(userOf(fields as Record<string, string>)).toBe(user);
  });

  test('what decodes to control characters is shown as it came', () => {
    const value = base64('WinNT://a\r\nb!', 'latin1');
    expect(userOf({ 'X-Authenticated-User': value })).toBe(value);
  });
});
