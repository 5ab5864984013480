import type { Place } from '../report.ts';
import type { Settings } from '../schema/root-schema.ts';
import { show } from '../show.ts';
import { checkFeeds } from './feed-rule.ts';
import { checkTracing } from './header-rule.ts';
import { checkListeners } from './listen-rule.ts';
import { checkPrivileges } from './privileges-rule.ts';
import { checkRedirects } from './redirect-rule.ts';
import { checkService } from './service-rule.ts';
import { checkServerNames } from './sni-rule.ts';
import { checkBackendTls, checkServiceTls } from './tls-rule.ts';

/**
 * Checks what no key can know alone. A rule stays silent where one of its keys was refused: the value it would judge is
 * only a stand-in then.
 */
export function checkSettings(settings: Settings, root: Place): void {
  checkServiceNames(settings, root);
  checkListeners(settings, root);
  checkServerNames(settings, root);
  checkRedirects(settings, root);
  checkPrivileges(settings, root);
  checkTracing(settings, root);
  checkFeeds(settings, root);
  for (const [service, place] of root.at('services').pair(settings.services)) {
    checkService(service, place);
    if (service.tls !== undefined) checkServiceTls(service.tls, place.at('tls'));
    for (const [backend, backendPlace] of place.at('backends').pair(service.backends)) {
      checkBackendTls(backend, backendPlace.at('tls'));
    }
  }
}

function checkServiceNames({ services }: Settings, root: Place): void {
  const lines = new Map<string, number>();
  for (const [{ name }, service] of root.at('services').pair(services)) {
    const place = service.at('name');
    const line = lines.get(name);
    if (name !== '' && line !== undefined) {
      place.error(`${show(name)} is already the name of the service in line ${line}`);
    }
    lines.set(name, line ?? place.line);
  }
}
