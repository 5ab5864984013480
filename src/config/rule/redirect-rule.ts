import type { ServiceConfig } from '../config.ts';
import { redirectName } from '../redirect.ts';
import type { Place } from '../report.ts';
import { isSamePlace } from '../same-place.ts';
import type { Settings } from '../schema/root-schema.ts';
import { show } from '../show.ts';

/** Whether clients that fail verification can be sent elsewhere, and to nobody who is meant for those who pass. */
export function checkRedirects({ services }: Settings, root: Place): void {
  const places = root.at('services').pair(services);
  for (const [service, place] of places) {
    const auth = service.tls?.clientAuth;
    const clientAuth = place.at('tls', 'client-auth');
    if (auth === undefined) continue;
    if (auth.redirect.length === 0) {
      const balance = clientAuth.at('redirect-balance');
      if (balance.given) balance.warn('has no effect without redirect');
      continue;
    }
    checkRedirect(service, place, clientAuth.at('redirect'));
    const rival = places.find(([each]) => each.name === redirectName(service.name));
    rival?.[1]
      .at('name')
      .error(`${show(rival[0].name)} is what the service for redirected clients of ${show(service.name)} is called`);
  }
}

function checkRedirect({ protocol, tls, backends }: ServiceConfig, place: Place, redirect: Place): void {
  const auth = tls?.clientAuth;
  if (auth === undefined || redirect.failed) return;
  const clientAuth = place.at('tls', 'client-auth');
  if (protocol === 'icap' && !place.at('protocol').failed) {
    redirect.error('needs protocol tunnel: an ICAP client would take the answers from there for verdicts');
  }
  if (auth.mode !== 'require' && !clientAuth.at('mode').failed) {
    redirect.error(`needs mode require; with mode ${auth.mode} nobody is missing a certificate`);
  } else if (!auth.verify) {
    redirect.error('needs certificates that are verified; name a ca and remove verify');
  }
  const own = place.at('backends').pair(backends);
  for (const { address, text } of auth.redirect) {
    const backend = own.find(([each]) => isSamePlace(each.address, address));
    if (backend === undefined) continue;
    redirect.error(`${text} is a backend too (line ${backend[1].line}): clients would get there without verification`);
  }
  if (redirect.failed) return;
  const targets = auth.redirect.map(({ text }) => text).join(', ');
  redirect.warnUnsafe(`clients without a certificate, and with one that is not trusted, get through to ${targets}`);
}
