import { formatAddress } from '../address.ts';
import type { Place } from '../report.ts';
import type { Settings } from '../schema/root-schema.ts';

/** Ports below are the superuser's. */
const FIRST_FREE_PORT = 1024;

/** Warns of what `setuid` leaves behind, and of what it takes away that is needed again. */
export function checkPrivileges({ setuid, setgid, services }: Settings, root: Place): void {
  if (setuid === undefined) return;
  const place = root.at('setuid');
  if (setgid === undefined && !root.at('setgid').failed) {
    place.warnUnsafe('the user is changed and the group is not; add setgid');
  }
  const low = services
    .flatMap(({ listen }) => listen)
    .find((address) => address.kind === 'tcp' && address.port > 0 && address.port < FIRST_FREE_PORT);
  if (low === undefined) return;
  place.warn(
    `a worker that has to be replaced cannot listen on ${formatAddress(low)} again as this user; use the service ` +
      "manager's User= with AmbientCapabilities=CAP_NET_BIND_SERVICE instead",
  );
}
