/** Whose command line and log lines these are, as of the version they were measured from. */
const STUNNEL_VERSION = '5.68';

const MACHINES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686' };

/** What runs, for its programs and its people. */
export interface RuntimeVersions {
  readonly version: string;
  readonly node: string;
  readonly openssl: string;
}

/** The lines by which scripts tell the version of a stunnel, honest about what runs in its place. */
export function stunnelBanner({ version, node, openssl }: RuntimeVersions): readonly string[] {
  const machine = MACHINES[process.arch] ?? process.arch;
  return [
    `stunnel ${STUNNEL_VERSION} on ${machine}-${process.platform} platform (icapgw ${version} on Node.js ${node})`,
    `Compiled/running with OpenSSL ${openssl}`,
    'Threading:WORKER Sockets:EPOLL,IPv6 TLS:SNI',
  ];
}
