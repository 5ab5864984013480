import type { ServiceConfig } from '../config.ts';
import type { FailPolicy } from '../icap-config.ts';
import { formatDuration, formatSize, KIB } from '../quantity.ts';
import type { Place } from '../report.ts';
import { checkHeaders } from './header-rule.ts';

/** The largest preview that is usual: c-icap advertises 1 KiB, most appliances up to 4 KiB. */
const USUAL_PREVIEW_BYTES: number = 4 * KIB;

/** What must hold between the keys of a service in ICAP mode. */
export function checkIcap(service: ServiceConfig, place: Place): void {
  checkPolicies(service, place);
  checkHeaders(service, place);
  const { responseMs, totalMs } = service.timeouts;
  const response = place.at('timeouts', 'response');
  if (response.given && !place.at('timeouts').failed && responseMs > totalMs) {
    response.warn(`is longer than timeouts.total, which ends every transaction after ${formatDuration(totalMs)}`);
  }
}

function checkPolicies({ icap, limits }: ServiceConfig, place: Place): void {
  const { whenDown, onTimeout, onOversize, retainBytes } = icap;
  const policies: readonly FailPolicy[] = [whenDown, onTimeout, onOversize];
  const retain = place.at('retain');
  if ([whenDown, onTimeout].includes('bypass') && retainBytes < USUAL_PREVIEW_BYTES && !retain.failed) {
    retain.warn(
      `a backend that fails in a body above ${formatSize(retainBytes)} leaves nothing to pass on, so that a client that ` +
        `does not allow 204 gets an error in spite of bypass; use at least ${formatSize(USUAL_PREVIEW_BYTES)}`,
    );
  }
  const oversize = place.at('on-oversize');
  if (oversize.given && limits.bodyBytes === 0 && !place.at('limits', 'body').failed) {
    oversize.warn('has no effect without limits.body');
  }
  const page = place.at('block-page');
  const mayBeRefused = ['when-down', 'on-timeout', 'on-oversize'].some((key) => place.at(key).failed);
  if (page.given && !policies.includes('block') && !mayBeRefused) {
    page.warn('has no effect: none of when-down, on-timeout and on-oversize is block');
  }
}
