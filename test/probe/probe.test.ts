import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EICAR } from '../../src/demo/eicar.ts';
import { startIcapServer } from '../../src/demo/icap-server.ts';
import type { ProbeTls } from '../../src/probe/dial.ts';
import { fileDocument, textDocument } from '../../src/probe/document.ts';
import { type ProbeOptions, probe } from '../../src/probe/probe.ts';
import { PROFILES } from '../../src/probe/profile.ts';
import { loadKeyPair } from '../../src/tls/material.ts';
import { loadCertificates } from '../../src/tls/trust.ts';
import { certificates } from '../_util/certificates.ts';
import {
  startGreetingServer,
  startResettingServer,
  startScriptedServer,
  startSilentServer,
  startTricklingServer,
} from '../_util/icap-ill-servers.ts';
import { startScriptBackend } from '../_util/icap-script-backend.ts';
import { answer } from '../_util/icap-script-message.ts';
import { startTlsIcapServer } from '../_util/icap-tls-server.ts';

const TLS: ProbeTls = { trusted: [], keyPair: undefined, serverName: undefined, verify: true };
const TIMEOUTS = { connectMs: 5000, silenceMs: 5000, totalMs: 10_000 };
const OPTIONS_OK =
  'ICAP/1.0 200 OK\r\nMethods: REQMOD\r\nISTag: "x"\r\nPreview: 4\r\nEncapsulated: null-body=0\r\n\r\n';

function run(port: number, options: Partial<ProbeOptions> = {}) {
  return probe({
    target: { scheme: 'icap', host: '127.0.0.1', port, path: undefined },
    profile: PROFILES.reqmod,
    method: undefined,
    document: textDocument('a.txt', 'harmless'),
    usePreview: true,
    allow204: true,
    fields: [],
    tls: TLS,
    timeouts: TIMEOUTS,
    trace: () => {},
    cancel: new AbortController().signal,
    ...options,
  });
}

describe('against the demonstration server', () => {
  const long = 'x'.repeat(300_000);
  test.each([
    { name: 'a short text', text: 'harmless', verdict: 'allowed', icapStatus: 204, endedInPreview: true },
    {
      name: 'a text as long as the preview',
      text: 'x'.repeat(1024),
      verdict: 'allowed',
      icapStatus: 204,
      endedInPreview: true,
    },
    {
      name: 'a text one longer than the preview',
      text: 'x'.repeat(1025),
      verdict: 'allowed',
      icapStatus: 204,
      endedInPreview: false,
    },
    { name: 'a long text', text: long, verdict: 'allowed', icapStatus: 204, endedInPreview: false },
    { name: 'nothing', text: '', verdict: 'allowed', icapStatus: 204, endedInPreview: true },
    { name: 'EICAR', text: EICAR, verdict: 'blocked', icapStatus: 200, endedInPreview: true },
    { name: 'EICAR at the end', text: long + EICAR, verdict: 'blocked', icapStatus: 200, endedInPreview: false },
  ])('$name is $verdict', async ({ text, verdict, icapStatus, endedInPreview }) => {
    await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
    const document = textDocument('a.txt', text);
    for (const profile of [PROFILES.reqmod, PROFILES.respmod]) {
      const report = await run(server.port, { profile, document });
      expect(report).toMatchObject({ verdict, icapStatus, endedInPreview, previewBytes: 1024 });
    }
  });

  test('without preview and without 204 the echo is compared', async () => {
    await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
    const options = { usePreview: false, allow204: false };
    for (const profile of [PROFILES.reqmod, PROFILES.respmod]) {
      for (const text of ['', 'harmless', long.repeat(10)]) {
        const report = await run(server.port, { ...options, profile, document: textDocument('a', text) });
        expect(report).toMatchObject({ verdict: 'allowed', icapStatus: 200, previewBytes: undefined });
      }
      expect(await run(server.port, { ...options, profile, document: textDocument('a', EICAR) })).toMatchObject({
        verdict: 'blocked',
        threat: 'EICAR-Test-File',
        httpStatus: 403,
      });
    }
  });

  test('a file is streamed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'icapgw-probe-'));
    try {
      const path = join(folder, 'report.bin');
      writeFileSync(path, Buffer.alloc(5_000_000, 'y'));
      await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
      const report = await run(server.port, { document: fileDocument(path), allow204: false });
      expect(report).toMatchObject({ verdict: 'allowed', icapStatus: 200, document: { sizeBytes: 5_000_000 } });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('one connection serves OPTIONS and the document', async () => {
    const ports = new Set<string>();
    await using server = await startIcapServer({
      host: '127.0.0.1',
      port: 0,
      maxConnections: 1,
      log: (entry) => ports.add(entry.method),
    });
    await run(server.port);
    expect([...ports]).toEqual(['OPTIONS', 'REQMOD']);
  });

  test.each([
    { profile: 'reqmod', method: 'REQMOD', path: '/reqmod' },
    { profile: 'respmod', method: 'RESPMOD', path: '/respmod' },
    { profile: 'symantec', method: 'REQMOD', path: '/reqmod' },
    { profile: 'forcepoint', method: 'REQMOD', path: '/reqmod' },
    { profile: 'kata', method: 'RESPMOD', path: '/av/respmod' },
    { profile: 'ddan', method: 'REQMOD', path: '/request' },
  ] as const)('the profile $profile asks $method $path', async ({ profile, method, path }) => {
    await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
    expect(await run(server.port, { profile: PROFILES[profile] })).toMatchObject({ method, path, verdict: 'allowed' });
  });

  test('what is said shows the fields of the profile and of the user, which win', async () => {
    await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
    let said = '';
    await run(server.port, {
      profile: PROFILES.symantec,
      document: textDocument('a b.txt', 'x'),
      fields: [{ name: 'x-client-ip', value: '192.0.2.7' }],
      trace: (direction, head) => {
        if (direction === '>') said = head;
      },
    });
    expect(said).toContain('X-Authenticated-User: TG9jYWw6Ly9pY2FwZ3ctcHJvYmU=\r\n');
    expect(said).toContain('x-client-ip: 192.0.2.7\r\n');
    expect(said).not.toContain('X-Client-IP');
    expect(said).toContain('\r\n\r\nPOST http://misc/a%20b.txt HTTP/1.1\r\n');
  });
});

describe('over TLS', () => {
  const target = (port: number) => ({ scheme: 'icaps', host: '127.0.0.1', port, path: undefined }) as const;
  const trust = (path: string) => ({ ...TLS, trusted: loadCertificates([path]) });
  const show = (certFile: string, keyFile: string) =>
    loadKeyPair({ certFile, keyFile, passphraseFile: undefined, securityLevel: undefined });

  test('a server of a known CA is verified by its name', async () => {
    const { ca, server } = certificates();
    await using gateway = await startTlsIcapServer(server);
    const report = await run(gateway.port, { target: target(gateway.port), tls: trust(ca.cert) });
    expect(report.verdict).toBe('allowed');
    expect(report.tls).toMatchObject({ version: 'TLSv1.3', isVerified: true, certificate: { subject: 'CN=server' } });
  });

  test('a client certificate is shown where it is wanted', async () => {
    const { ca, server, client } = certificates();
    await using gateway = await startTlsIcapServer(server, ca.cert);
    const tls = { ...trust(ca.cert), keyPair: show(client.cert, client.key) };
    expect((await run(gateway.port, { target: target(gateway.port), tls })).verdict).toBe('allowed');
    await expect(run(gateway.port, { target: target(gateway.port), tls: trust(ca.cert) })).rejects.toMatchObject({
      message: expect.stringContaining('give one with --cert and --key'),
    });
  });

  test('a certificate the server does not accept is told', async () => {
    const { ca, server, otherClient } = certificates();
    await using gateway = await startTlsIcapServer(server, ca.cert);
    const tls = { ...trust(ca.cert), keyPair: show(otherClient.cert, otherClient.key) };
    // Node refuses such a client by closing, without an alert.
    await expect(run(gateway.port, { target: target(gateway.port), tls })).rejects.toMatchObject({
      message: expect.stringMatching(/certificate/),
    });
  });

  test('a certificate that was given as trusted needs neither a CA nor a fitting name', async () => {
    const { selfSignedServer } = certificates();
    await using gateway = await startTlsIcapServer(selfSignedServer);
    const tls = { ...trust(selfSignedServer.cert), serverName: 'gw.example' };
    const report = await run(gateway.port, { target: target(gateway.port), tls });
    expect(report).toMatchObject({ verdict: 'allowed', tls: { isVerified: true } });
  });

  test('a leaf of a CA that is not given is enough too', async () => {
    const { server } = certificates();
    await using gateway = await startTlsIcapServer(server);
    const report = await run(gateway.port, { target: target(gateway.port), tls: trust(server.cert) });
    expect(report).toMatchObject({ verdict: 'allowed', tls: { isVerified: true } });
  });

  test('a server that nobody vouches for is refused with advice', async () => {
    const { selfSignedServer } = certificates();
    await using gateway = await startTlsIcapServer(selfSignedServer);
    await expect(run(gateway.port, { target: target(gateway.port) })).rejects.toMatchObject({
      code: 'ICAPGW_UPSTREAM_HANDSHAKE',
      message: expect.stringContaining('--ca FILE'),
    });
  });

  test('a name that does not fit is refused with advice, and can be named', async () => {
    const { ca, server } = certificates();
    await using gateway = await startTlsIcapServer(server);
    const named = (serverName: string) =>
      run(gateway.port, { target: target(gateway.port), tls: { ...trust(ca.cert), serverName } });
    await expect(named('gw.example')).rejects.toMatchObject({
      message: expect.stringMatching(/is for DNS:localhost.* not for gw\.example.*--server-name/),
    });
    expect((await named('localhost')).verdict).toBe('allowed');
  });

  test('without verification anybody is accepted, and that is told', async () => {
    const { selfSignedServer } = certificates();
    await using gateway = await startTlsIcapServer(selfSignedServer);
    const report = await run(gateway.port, { target: target(gateway.port), tls: { ...TLS, verify: false } });
    expect(report).toMatchObject({ verdict: 'allowed', tls: { isVerified: false } });
  });

  test('a plain port is recognised', async () => {
    await using server = await startIcapServer({ host: '127.0.0.1', port: 0 });
    await expect(run(server.port, { target: target(server.port) })).rejects.toMatchObject({
      message: expect.stringContaining('Try icap://'),
    });
  });

  test('a server that accepts and does not answer TLS is given up', async () => {
    await using server = await startSilentServer();
    const timeouts = { ...TIMEOUTS, connectMs: 1000 };
    await expect(run(server.port, { target: target(server.port), timeouts })).rejects.toMatchObject({
      code: 'ICAPGW_UPSTREAM_HANDSHAKE',
      message: expect.stringContaining('does not answer TLS'),
    });
  });
});

describe('servers that behave badly', () => {
  test('a port where nobody listens', async () => {
    let port: number;
    {
      await using gone = await startSilentServer();
      port = gone.port;
    }
    await expect(run(port)).rejects.toMatchObject({
      code: 'ICAPGW_UPSTREAM_CONNECT',
      message: expect.stringContaining(`nothing listens on 127.0.0.1:${port}`),
    });
  });

  test('a name that does not exist', async () => {
    const target = { scheme: 'icap', host: 'does-not-exist.invalid', port: 1344, path: undefined } as const;
    await expect(run(0, { target })).rejects.toMatchObject({ code: 'ICAPGW_UPSTREAM_RESOLVE' });
  });

  test('one that is silent', async () => {
    await using server = await startSilentServer();
    await expect(run(server.port, { timeouts: { ...TIMEOUTS, silenceMs: 20 } })).rejects.toMatchObject({
      code: 'ICAPGW_UPSTREAM_TIMEOUT',
      message: expect.stringContaining('was silent for 20 ms'),
    });
    await expect(run(server.port, { timeouts: { ...TIMEOUTS, totalMs: 20 } })).rejects.toMatchObject({
      code: 'ICAPGW_UPSTREAM_TIMEOUT',
      message: expect.stringMatching(/says nothing within 20 ms: is this an ICAP port\?.* more with --timeout$/),
    });
  });

  test('one that is silent after OPTIONS', async () => {
    await using server = await startScriptedServer([OPTIONS_OK, '', 'never']);
    await expect(run(server.port, { timeouts: { ...TIMEOUTS, silenceMs: 20 } })).rejects.toMatchObject({
      code: 'ICAPGW_UPSTREAM_TIMEOUT',
    });
  });

  test('one that is silent after OPTIONS is not taken for another kind of server', async () => {
    await using server = await startScriptedServer([OPTIONS_OK, '', 'never']);
    await expect(run(server.port, { timeouts: { ...TIMEOUTS, totalMs: 500 } })).rejects.toMatchObject({
      message: expect.stringMatching(/no verdict from 127\.0\.0\.1:\d+ within 500 ms, more with --timeout$/),
    });
  });

  test('one that resets', async () => {
    await using server = await startResettingServer();
    await expect(run(server.port)).rejects.toMatchObject({ code: 'ICAPGW_UPSTREAM_CLOSED' });
  });

  test('one that closes in the middle of an answer', async () => {
    await using server = await startScriptedServer(['ICAP/1.0 200 OK\r\nISTag']);
    await expect(run(server.port)).rejects.toMatchObject({ code: 'ICAPGW_UPSTREAM_CLOSED' });
  });

  test('one that does not speak ICAP', async () => {
    await using server = await startScriptedServer(['HTTP/1.1 400 Bad Request\r\n\r\n']);
    await expect(run(server.port)).rejects.toMatchObject({
      code: 'ICAPGW_ICAP_BAD_START_LINE',
      message: expect.stringContaining(
        'says "HTTP/1.1 400 Bad Request": that is an HTTP server, or one that wants TLS;',
      ),
    });
  });

  test.each([
    { greeting: 'SSH-2.0-OpenSSH_9.2p1\r\n', message: 'says "SSH-2.0-OpenSSH_9.2p1": that is an SSH server;' },
    { greeting: '220 mx.example ESMTP\r\n', message: 'says "220 mx.example ESMTP": that is a mail server (SMTP);' },
    { greeting: '\x1b[2Jhello\r\n', message: 'says "\\u{1b}[2Jhello": that is another protocol;' },
  ])('one that speaks first and then waits is named by what it says: $message', async ({ greeting, message }) => {
    await using server = await startGreetingServer(greeting);
    await expect(run(server.port)).rejects.toMatchObject({
      code: 'ICAPGW_ICAP_BAD_START_LINE',
      message: expect.stringContaining(`127.0.0.1:${server.port} ${message}`),
    });
  });

  test('one that never ends its first line is named at the deadline, or when it closes', async () => {
    await using waiting = await startGreetingServer('login: ');
    const timeouts = { ...TIMEOUTS, totalMs: 500 };
    await expect(run(waiting.port, { timeouts })).rejects.toMatchObject({
      message: expect.stringContaining('says "login:": that is another protocol'),
    });
    await using closing = await startScriptedServer(['HTTP/1.0']);
    await expect(run(closing.port)).rejects.toMatchObject({
      message: expect.stringContaining('says "HTTP/1.0": that is an HTTP server'),
    });
  });

  test('one that answers byte by byte is understood', async () => {
    await using server = await startTricklingServer(`${OPTIONS_OK}ICAP/1.0 204 No Content\r\n\r\n`);
    expect((await run(server.port, { document: textDocument('a', 'abc') })).verdict).toBe('allowed');
  });

  test('one that answers OPTIONS with an error is asked without preview', async () => {
    await using server = await startScriptedServer(['ICAP/1.0 404 Not Found\r\n\r\n', 'ICAP/1.0 204 x\r\n\r\n']);
    expect(await run(server.port)).toMatchObject({
      verdict: 'allowed',
      previewBytes: undefined,
      options: { status: 404 },
    });
  });

  test('one that closes after OPTIONS is connected again', async () => {
    const closing = OPTIONS_OK.replace('ISTag', 'Connection: close\r\nISTag');
    await using server = await startScriptedServer([closing]);
    // The second connection gets the same script, whose answer is one to the document too.
    expect(await run(server.port)).toMatchObject({ verdict: 'allowed', icapStatus: 200 });
  });

  test('one that closes after OPTIONS without announcing it is connected again', async () => {
    await using server = await startScriptedServer([OPTIONS_OK]);
    expect(await run(server.port)).toMatchObject({ verdict: 'allowed', icapStatus: 200 });
  });

  test('one that answers before everything is sent is believed', async () => {
    const page = 'HTTP/1.1 403 Forbidden\r\n\r\n';
    const blocked = `ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, null-body=${page.length}\r\n\r\n${page}`;
    await using server = await startScriptedServer([OPTIONS_OK, 'ICAP/1.0 100 Continue\r\n\r\n', blocked, '']);
    const document = textDocument('a', 'x'.repeat(20_000_000));
    expect(await run(server.port, { document })).toMatchObject({ verdict: 'blocked', httpStatus: 403 });
  });

  test('one that says 100 after the whole body was previewed is waited for', async () => {
    await using server = await startScriptedServer([OPTIONS_OK, 'ICAP/1.0 100 Continue\r\n\r\nICAP/1.0 204 x\r\n\r\n']);
    expect(await run(server.port, { document: textDocument('a', 'abc') })).toMatchObject({ verdict: 'allowed' });
  });

  test.each([
    { status: 404, verdict: 'error' },
    { status: 503, verdict: 'error' },
    { status: 539, verdict: 'error' },
  ])('$status is no verdict', async ({ status, verdict }) => {
    await using server = await startScriptedServer([OPTIONS_OK, `ICAP/1.0 ${status} Nope\r\n\r\n`]);
    const report = await run(server.port, { document: textDocument('a', 'abc') });
    expect(report).toMatchObject({ verdict, icapStatus: status, icapReason: 'Nope' });
  });

  test('a changed body is told', async () => {
    const http = 'POST http://misc/a HTTP/1.1\r\n\r\n';
    const changed = `ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, req-body=${http.length}\r\n\r\n${http}3\r\nxyz\r\n0\r\n\r\n`;
    await using server = await startScriptedServer([OPTIONS_OK, changed]);
    expect((await run(server.port, { document: textDocument('a', 'abc') })).verdict).toBe('modified');
  });

  test('a body that does not come back with its head is told', async () => {
    await using server = await startScriptBackend(async (exchange) => {
      await exchange.body();
      exchange.send(answer(200, [], { 'req-hdr': exchange.section('req-hdr') ?? '' }));
    });
    expect(await run(server.port)).toMatchObject({ verdict: 'modified', icapStatus: 200 });
    expect((await run(server.port, { document: textDocument('a', '') })).verdict).toBe('allowed');
  });

  test('a service at the given path that takes only the other method is asked that', async () => {
    const only = OPTIONS_OK.replace('REQMOD', 'RESPMOD');
    await using server = await startScriptedServer([only, 'ICAP/1.0 204 x\r\n\r\n']);
    const target = { scheme: 'icap', host: '127.0.0.1', port: server.port, path: '/echo' } as const;
    expect(await run(server.port, { target, document: textDocument('a', 'abc') })).toMatchObject({ method: 'RESPMOD' });
  });
});
