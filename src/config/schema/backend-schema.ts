import { BACKEND_ADDRESS, nameOfAddress } from '../address.ts';
import { orOff } from '../collection.ts';
import type { BackendConfig, WrittenAddress } from '../config.ts';
import { integer, NAME } from '../kind.ts';
import { key, type Mapping, mapping, optional, required, reshaped } from '../mapping.ts';
import type { BackendTlsConfig } from '../tls-config.ts';
import { BACKEND_TLS } from './tls-schema.ts';

interface BackendKeys {
  readonly address: WrittenAddress;
  readonly name: string | undefined;
  readonly weight: number;
  readonly priority: number;
  readonly maxConnections: number;
  readonly tls: BackendTlsConfig | undefined;
}

const NO_ADDRESS: WrittenAddress = { address: { kind: 'tcp', host: '', port: 0 }, text: '' };

/** One item of `backends:`. */
export const BACKEND: Mapping<BackendConfig> = reshaped(
  mapping<BackendKeys>({
    address: required('address', BACKEND_ADDRESS, NO_ADDRESS, 'say where the ICAP server is, such as 10.0.0.5:1344'),
    name: optional('name', NAME, 'the address'),
    weight: key('weight', integer(0, 256), 1),
    priority: key('priority', integer(0, 1000), 0),
    maxConnections: key('max-connections', integer(0, 1_000_000), 0),
    tls: key('tls', orOff(BACKEND_TLS), undefined),
  }),
  {
    to: ({ address, name, ...rest }): BackendConfig => ({
      name: name ?? nameOfAddress(address),
      address: address.address,
      addressText: address.text,
      ...rest,
    }),
    from: ({ name, address, addressText, ...rest }) => ({
      name: name === nameOfAddress({ address, text: addressText }) ? undefined : name,
      address: { address, text: addressText },
      ...rest,
    }),
  },
);
