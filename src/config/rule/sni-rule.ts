import type { ServiceConfig, SniConfig } from '../config.ts';
import type { Place } from '../report.ts';
import type { Settings } from '../schema/root-schema.ts';
import { coversPattern } from '../server-name.ts';
import { show } from '../show.ts';
import { nearest } from '../suggestion.ts';

/** What the service that listens decides for those behind it: by the time a name is known it is done. */
const DONE_BEFORE: readonly (readonly string[])[] = [
  ['proxy-protocol', 'accept'],
  ['proxy-protocol', 'from'],
  ['sockets', 'client-no-delay'],
  ['sockets', 'ipv6-only'],
];

interface Named {
  readonly service: ServiceConfig;
  readonly place: Place;
}

interface Secondary extends Named {
  readonly sni: SniConfig;
}

/** Whether every service that clients reach by a server name can be reached, and by names of its own. */
export function checkServerNames({ services }: Settings, root: Place): void {
  const all = root
    .at('services')
    .pair(services)
    .map(([service, place]): Named => ({ service, place }));
  const secondaries = all.flatMap(({ service, place }): Secondary[] =>
    service.sni === undefined ? [] : [{ service, place, sni: service.sni }],
  );
  for (const secondary of secondaries) {
    checkSecondary(secondary);
    checkPrimary(secondary, all);
  }
  for (const siblings of Map.groupBy(secondaries, ({ sni }) => sni.of).values()) checkPatterns(siblings);
}

function checkSecondary({ service, place, sni }: Secondary): void {
  if (place.at('listen').given) {
    place
      .at('listen')
      .error(`does not go with sni: clients come in where ${show(sni.of)} listens; remove one of the two`);
  }
  if (service.tls === undefined && !place.at('tls').failed) {
    place.at('tls').error('off does not go with sni: the name of a server is part of a TLS handshake; add a cert');
  }
  if (place.format === 'stunnel') return;
  for (const path of DONE_BEFORE) {
    const key = place.at(...path);
    if (key.given) key.warn(`has no effect with sni: what ${show(sni.of)} says counts`);
  }
}

function checkPrimary({ service, place, sni }: Secondary, all: readonly Named[]): void {
  const of = place.at('sni', 'of');
  if (of.failed) return;
  const primary = all.find((each) => each.service.name === sni.of);
  if (primary === undefined) {
    const guess = nearest(
      sni.of,
      all.filter((each) => each.service.sni === undefined).map((each) => each.service.name),
    );
    of.error(`there is no service named ${show(sni.of)}${guess === undefined ? '' : `; did you mean ${guess}?`}`);
  } else if (primary.service.sni !== undefined) {
    const which = primary.service === service ? 'this service' : `${show(sni.of)} in line ${primary.place.line}`;
    of.error(`${which} does not listen itself; name one that has listen`);
  } else if (primary.service.tls === undefined && !primary.place.at('tls').failed) {
    of.error(`${show(sni.of)} has tls: off, so that its clients name no server; name one that has tls`);
  }
}

/** The first pattern that fits counts: one whose every name fits an earlier one is a mistake in their order. */
function checkPatterns(siblings: readonly Secondary[]): void {
  const earlier: { readonly pattern: string; readonly line: number }[] = [];
  for (const { place, sni } of siblings) {
    const names = place.at('sni', 'names');
    for (const [index, pattern] of sni.names.entries()) {
      const own = names.failed || sni.names.length === 1 ? names : names.at(index);
      const wider = earlier.find((each) => coversPattern(each.pattern, pattern));
      const isSame = wider !== undefined && coversPattern(pattern, wider.pattern);
      if (isSame) own.error(`${show(pattern)} is already taken in line ${wider.line}`);
      else if (wider !== undefined) {
        own.warn(
          `${show(pattern)} is never used: ${show(wider.pattern)} in line ${wider.line} comes first and fits it too`,
        );
      }
      earlier.push({ pattern, line: own.line });
    }
  }
}
