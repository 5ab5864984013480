import type { Address, BackendAddress, ServiceConfig } from '../config.ts';
import type { Place } from '../report.ts';

/** Whether the programs of a service can be what they are written for: its client, or backends of its tunnel. */
export function checkPrograms(service: ServiceConfig, place: Place): void {
  if (service.listen.some(isProgram)) checkClient(service, place);
  else if (place.at('exec-restart').given) place.at('exec-restart').warn('has no effect without a program in listen');
  if (service.backends.some(({ address }) => isProgram(address))) checkBackend(service, place);
  if (service.listen.length > 1 && service.listen.some(({ kind }) => kind === 'stdio')) {
    place.at('listen').error('"-" stands alone: standard input and output are one connection');
  }
  const redirect = service.tls?.clientAuth.redirect ?? [];
  if (redirect.some(({ address }) => isProgram(address))) {
    place
      .at('tls', 'client-auth', 'redirect')
      .error('exec: starts a program for whoever connects; redirect to an address that something listens on');
  }
}

function isProgram({ kind }: Address | BackendAddress): boolean {
  return kind === 'exec';
}

function checkClient({ listen, protocol, tls, proxyProtocol, backends }: ServiceConfig, place: Place): void {
  const key = place.at('listen');
  if (listen.length > 1) key.error('exec: stands alone: the program is the only client of the service');
  if (protocol === 'icap' && !place.at('protocol').failed) key.error('exec: needs protocol tunnel');
  if (tls !== undefined)
    key.error('exec: needs tls: off, because a program speaks in clear; tls at the backends encrypts');
  if (proxyProtocol.accept !== 'off') key.error('exec: needs proxy-protocol.accept: off');
  if (backends.some(({ address }) => isProgram(address))) {
    key.error('exec: does not go with exec: in backends; connect the two programs with a pipe');
  }
}

function checkBackend({ protocol, health }: ServiceConfig, place: Place): void {
  if (protocol === 'icap' && !place.at('protocol').failed) {
    place.at('backends').error('exec: needs protocol tunnel: a program serves one connection, and not one transaction');
  }
  if (health.type !== 'none' && !place.at('health', 'type').failed) {
    place
      .at('health', 'type')
      .error(`exec: in backends needs type none: a program runs only while a client is connected`);
  }
}
