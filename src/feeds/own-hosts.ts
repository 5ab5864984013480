import type { Config } from '../config/config.ts';

/** The hosts of a configuration that this process listens on or connects to: addresses and names. */
export function ownHosts({ services, admin, feeds }: Pick<Config, 'services' | 'admin' | 'feeds'>): readonly string[] {
  const addresses = [
    ...services.flatMap(({ listen }) => listen),
    ...services.flatMap(({ backends }) => backends.map(({ address }) => address)),
    ...(admin.listen === 'off' ? [] : [admin.listen]),
  ];
  const hosts = addresses.flatMap((address) => (address.kind === 'tcp' ? [address.host] : []));
  return [
    ...hosts,
    ...(feeds?.guardDuty === undefined ? [] : [feeds.guardDuty.host]),
    ...hostOf(feeds?.smc?.endpoint),
    ...hostOf(feeds?.queue.url.value),
  ];
}

function hostOf(url: string | undefined): readonly string[] {
  const host = url === undefined ? undefined : URL.parse(url)?.hostname.replace(/^\[(.*)\]$/, '$1');
  return host === undefined || host === '' ? [] : [host];
}
