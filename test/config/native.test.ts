import { describe, expect, test } from 'vitest';
import { formatNative, writeNative } from '../../src/config/native.ts';
import { Report } from '../../src/config/report.ts';
import type { Settings } from '../../src/config/schema/root-schema.ts';
import { readSettings } from '../../src/config/validate.ts';
import { readYaml } from '../../src/config/yaml.ts';
import { serviceText } from '../_util/config-text.ts';

function settingsOf(text: string): Settings {
  const { document, problems } = readYaml(text, '/etc/icapgw/icapgw.yaml');
  if (document === undefined) throw new Error(JSON.stringify(problems));
  const report = new Report(document, '/');
  const settings = readSettings(report);
  if (settings === undefined) throw new Error(JSON.stringify(report.problems));
  return settings;
}

const EVERYTHING = `
log: { level: debug, format: json, file: /l, overwrite: true, access: "-", access-format: squid }
admin: { listen: 127.0.0.1:9344, token-file: t }
workers: 3
drain-delay: 5s
drain-timeout: 90s
tracing: { otlp: "https://otel.example/x", sample: 0.5 }
pid-file: /p
setuid: icapgw
setgid: 65534
services:
  - name: "all: of #it"
    listen: ["[::1]:1", ":2", "unix:/x y"]
    protocol: tunnel
    tls:
      cert: a
      key: b
      key-passphrase-file: c
      min-version: TLSv1.1
      max-version: TLSv1.2
      ciphers: "ALL:!aNULL"
      ciphersuites: TLS_AES_128_GCM_SHA256
      groups: X25519
      server-cipher-preference: true
      security-level: 0
      session-tickets: false
      session-timeout: 1h
      client-auth:
        mode: optional
        ca: [a, b]
        trust: chain
        chain-and-pin: true
        crl: c
        allow: { subjects: [CN=a], sans: ["DNS:a", "b"], spki-sha256: ${'ab'.repeat(32)} }
    allow-from: [10.0.0.0/8, "::1"]
    deny-from: 10.1.0.0/16
    proxy-protocol: { accept: v2, from: 10.0.0.1, send: v1 }
    limits: { connections: 1, connections-per-source: 2, handshakes-per-source: 3/s, header: 2000, body: 1GiB, queue: 0, queue-timeout: 1ms }
    timeouts: { handshake: never, connect: 1500ms, request-header: 1d, body-idle: 2s, response: 3m, idle: 99d, close: 0s, total: 1m }
    balance: source-hash
    backends:
      - { address: "[::1]:1344", name: b1, weight: 0, priority: 7, max-connections: 9, tls: { ca: a, cert: b, key: c, key-passphrase-file: d, server-name: e, verify: false } }
      - { address: "unix:/b", tls: { pin-sha256: ["${'A'.repeat(43)}="] } }
    health: { type: tcp, path: /p, interval: 1s, timeout: 1s, rise: 1, fall: 1, jitter: 0% }
    outliers: { consecutive-failures: 0, eject: 1m, max-ejected: 33% }
    slow-start: 10s
    sockets: { client-no-delay: false, backend-no-delay: false, keep-alive: off, ipv6-only: true, local-address: 10.0.0.1, reset: false }
    retry: 5xx
    retain: 0
    when-down: block
    on-timeout: reset
    on-oversize: bypass
    block-page: /page.html
    routes: [{ methods: [REQMOD], path: /a, backends: [b1, "unix:/b"], rewrite-path: /b }]
    bypass: { content-types: [a/b], file-types: [zip], extensions: [iso], url-only-respmod: true }
    headers: { set: { X-A: "b: c" }, strip: X-B, map: { X-C: X-D }, client-ip: set, correlation: X-E }
    istag: passthrough
    monitor-replies: false
`;

describe('settings as native YAML', () => {
  test('say nothing that is a default', () => {
    expect(formatNative(writeNative(settingsOf(serviceText())), [])).toBe(serviceText());
  });

  test('read back as what they were, whatever is set', () => {
    const settings = settingsOf(EVERYTHING);
    expect(settingsOf(formatNative(writeNative(settings), []))).toEqual(settings);
  });

  test('say explicitly that nobody is asked for a certificate', () => {
    const text = formatNative(writeNative(settingsOf(serviceText({ tls: '{ cert: /a }' }))), []);
    expect(text).toContain('      client-auth:\n        mode: none\n');
  });

  test('keep comments where they are told to, and nothing in them becomes YAML', () => {
    const second = serviceText().replace('services:\n', '').replace('dlp', 'two').replace('11344', '2');
    const text = formatNative(writeNative(settingsOf(`${serviceText()}${second}`)), [
      { path: [], text: 'from a' },
      { path: ['services', 1], text: 'second\n#: x' },
      { path: ['nowhere'], text: 'b: c' },
      { path: ['services', 1, 'name'], text: 'its name' },
      { path: ['services', 0, 'tls', 'cert', 'deeper'], text: '- a' },
      { path: ['services', 0, 'backends', 0], text: 'a backend' },
      { path: ['services', 0, 'backends'], text: 'all of them' },
      { path: ['services', 7], text: 'not there' },
      { path: 'end', text: 'the end' },
    ]);
    expect(text).toMatchInlineSnapshot(`
      "# from a

      # b: c

      # not there
      services:
        - name: dlp
          listen: 127.0.0.1:11344
          protocol: tunnel
          # - a
          tls: off
          # all of them
          backends:
            # a backend
            - address: 10.0.0.5:1344

        # second
        # #: x
        # its name
        - name: two
          listen: 127.0.0.1:2
          protocol: tunnel
          tls: off
          backends:
            - address: 10.0.0.5:1344

      # the end
      "
    `);
    expect(settingsOf(text).services).toHaveLength(2);
  });
});
