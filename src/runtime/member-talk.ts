import type { ServiceConfig } from '../config/config.ts';
import { createProbe } from '../health/create-probe.ts';
import type { AskOptions } from '../health/member-catalog.ts';
import type { AddressedMember } from '../health/membership.ts';
import { askOptions } from '../health/options-exchange.ts';
import type { Dial, Probe } from '../health/probe.ts';
import { deepCheckOf, neededMethods } from '../health/service-plan.ts';
import { visit } from '../health/visit.ts';
import type { ServiceOptions } from '../icap/service-options.ts';
import { type BackendIdentity, createBackendIdentity } from '../net/backend-identity.ts';
import { dialOnce } from '../net/dialer.ts';
import type { BackendMaterial } from '../tls/backend-material.ts';

/** How the control plane talks to the members of one service: over connections of its own, by the service's settings. */
export class MemberTalk {
  readonly #config: ServiceConfig;
  /** By index of the backend; undefined where it speaks in clear. */
  readonly #identities: (BackendIdentity | undefined)[];

  constructor(config: ServiceConfig, backendMaterial: readonly (BackendMaterial | undefined)[]) {
    this.#config = config;
    this.#identities = config.backends.map((_, index) => {
      const material = backendMaterial[index];
      return material === undefined ? undefined : createProbeIdentity(material);
    });
  }

  /** From its next connection on the backend proves who it is by this. */
  setMaterial(backend: number, material: BackendMaterial): void {
    this.#identities[backend] = createProbeIdentity(material);
  }

  /** Undefined: the service wants no checks. */
  createProbe(member: AddressedMember, onOptions: (options: ServiceOptions) => void): Probe | undefined {
    const { type, path } = this.#config.health;
    if (type === 'none') return undefined;
    const backend = member.backendName;
    return createProbe(type, {
      // A tcp probe is about the port alone.
      dial: this.#createDial(member, { inClear: type === 'tcp' }),
      icap: {
        authority: member.authority,
        path,
        methods: path === undefined ? [] : neededMethods(this.#config, backend, path),
        deep: deepCheckOf(this.#config, backend),
        onOptions,
      },
    });
  }

  createAsk(member: AddressedMember): AskOptions {
    const dial = this.#createDial(member, { inClear: false });
    const { authority } = member;
    return (path, options) => visit(dial, options, (talk) => talk((stream) => askOptions(stream, authority, path)));
  }

  #createDial({ address, addressText, hostName, backend }: AddressedMember, { inClear }: { inClear: boolean }): Dial {
    const { localAddress } = this.#config.sockets;
    return (signal) =>
      dialOnce(
        {
          ...{ address, addressText, hostName, localAddress },
          identity: inClear ? undefined : this.#identities[backend],
          timeoutMs: Number.POSITIVE_INFINITY,
          handshakeTimeoutMs: Number.POSITIVE_INFINITY,
          noDelay: true,
          keepAliveMs: undefined,
          preamble: undefined,
          onread: undefined,
        },
        signal,
      );
  }
}

/** A probe is shown the whole certificate each time: a session would hide that it was replaced. */
function createProbeIdentity(material: BackendMaterial): BackendIdentity {
  return createBackendIdentity({ ...material, tls: { ...material.tls, sessionResumption: false } });
}
