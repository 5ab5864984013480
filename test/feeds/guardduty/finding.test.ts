import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FindingError, readReport } from '../../../src/feeds/guardduty/finding.ts';

function finding(action: unknown, more: object = {}): object {
  return { type: 'Recon:EC2/PortProbe', service: { action }, ...more };
}

function addressesOf(body: unknown): string[] {
  return readReport(body, 0).found.map(({ address }) => address);
}

const REMOTE = { remoteIpDetails: { ipAddressV4: '198.51.100.7', ipAddressV6: '2001:DB8::7' } };
const BOTH = ['198.51.100.7', '2001:db8::7'];

describe('shapes', () => {
  test('the original exporter', () => {
    const body = { event_type: 'UnauthorizedAccess:EC2/SSH', remote_ip: '198.51.100.0', timestamp: 'x', domain: '' };
    expect(readReport(body, 5)).toEqual({
      found: [{ address: '198.51.100.0', type: 'UnauthorizedAccess:EC2/SSH' }],
      archived: 0,
      belowSeverity: 0,
    });
    expect(addressesOf({ remote_ip: '::ffff:198.51.100.0' })).toEqual(['198.51.100.0']);
  });

  test('the test event of the guide', () => {
    const body = {
      detail: {
        type: 'UnauthorizedAccess:IAMUser/MaliciousIPCaller.Custom',
        service: { action: { awsApiCallAction: { remoteIpDetails: { ipAddressV4: '198.51.100.0' } } } },
      },
    };
    expect(readReport(body, 0).found).toEqual([
      { address: '198.51.100.0', type: 'UnauthorizedAccess:IAMUser/MaliciousIPCaller.Custom' },
    ]);
  });

  test('an event with its whole envelope, a bare finding, and a list of all', () => {
    const bare = finding({ networkConnectionAction: REMOTE });
    const event = { version: '0', 'detail-type': 'GuardDuty Finding', source: 'aws.guardduty', detail: bare };
    expect(addressesOf(event)).toEqual(BOTH);
    expect(addressesOf(bare)).toEqual(BOTH);
    expect(addressesOf([{ remote_ip: '192.0.2.1' }, event, bare])).toEqual(['192.0.2.1', ...BOTH, ...BOTH]);
  });

  test('the field names of the SDK', () => {
    const body = {
      Type: 'T',
      Severity: 2,
      Service: {
        Action: {
          KubernetesApiCallAction: { SourceIps: ['192.0.2.9'], RemoteIpDetails: { IpAddressV4: '192.0.2.8' } },
        },
      },
    };
    expect(readReport(body, 0).found).toEqual([
      { address: '192.0.2.8', type: 'T' },
      { address: '192.0.2.9', type: 'T' },
    ]);
    expect(readReport(body, 4).belowSeverity).toBe(2);
  });

  test.each([
    ['null', null],
    ['a number', 1],
    ['a text', '198.51.100.0'],
    ['nothing', {}],
    ['an empty list', []],
    ['a list in a list', [[{ remote_ip: '192.0.2.1' }]]],
    ['an event without a finding', { source: 'aws.s3', detail: { bucket: 'b' } }],
    ['a detail that is a text', { detail: 'x' }],
    ['a service that is a text', { type: 'T', service: 'x' }],
    ['an action that is a list', finding([])],
    ['a container that is a text', finding({ awsApiCallAction: 'x' })],
    ['details that are a text', finding({ awsApiCallAction: { remoteIpDetails: 'x' } })],
    ['a probe that is no list', finding({ portProbeAction: { portProbeDetails: {} } })],
    ['a probe of numbers', finding({ portProbeAction: { portProbeDetails: [1] } })],
    ['sources that are a text', finding({ kubernetesApiCallAction: { sourceIPs: '192.0.2.1' } })],
    ['an address that is a number', { remote_ip: 3325256704 }],
    ['an address that is a network', { remote_ip: '198.51.100.0/24' }],
    ['an address that is empty', { remote_ip: '' }],
    ['a bad address among good ones', [{ remote_ip: '192.0.2.1' }, { remote_ip: '192.0.2.x' }]],
  ])('%s is refused', (_, body) => {
    expect(() => readReport(body, 0)).toThrow(FindingError);
  });
});

describe('actions', () => {
  test.each(['awsApiCallAction', 'networkConnectionAction', 'rdsLoginAttemptAction', 'kubernetesApiCallAction'])(
    '%s has one remote side',
    (name) => {
      expect(addressesOf(finding({ [name]: REMOTE }))).toEqual(BOTH);
    },
  );

  test('a port probe has many', () => {
    const portProbeDetails = ['192.0.2.1', '192.0.2.2', '192.0.2.1'].map((ipAddressV4) => ({
      localIpDetails: { ipAddressV4: '203.0.113.1' },
      remoteIpDetails: { ipAddressV4 },
    }));
    expect(addressesOf(finding({ portProbeAction: { portProbeDetails } }))).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  test('there may be as many as a large body holds', () => {
    const addresses = Array.from(
      { length: 150_000 },
      (_, index) => `198.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    );
    expect(addressesOf(finding({ kubernetesApiCallAction: { sourceIPs: addresses } }))).toHaveLength(150_000);
  });

  test('every container that is there is read, whatever the type of the action says', () => {
    const action = {
      actionType: 'DNS_REQUEST',
      dnsRequestAction: { domain: 'evil.example' },
      awsApiCallAction: { remoteIpDetails: { ipAddressV4: '192.0.2.1' } },
      networkConnectionAction: { remoteIpDetails: { ipAddressV4: '192.0.2.2' } },
    };
    expect(addressesOf(finding(action))).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  test.each([
    ['a DNS request', finding({ actionType: 'DNS_REQUEST', dnsRequestAction: { domain: 'evil.example' } })],
    ['an action of later years', finding({ teleportAction: { remoteIpDetails: { ipAddressV4: '192.0.2.1' } } })],
    ['no action', { type: 'T', service: {} }],
    ['no service', { detail: { type: 'AttackSequence:IAM/CompromisedCredentials' } }],
    ['a container without content', finding({ awsApiCallAction: null, portProbeAction: {} })],
    ['a family that is not there', finding({ awsApiCallAction: { remoteIpDetails: { ipAddressV6: '' } } })],
  ])('%s names nobody', (_, body) => {
    expect(readReport(body, 0)).toEqual({ found: [], archived: 0, belowSeverity: 0 });
  });

  test('what belongs to the owner is never read', () => {
    const body = finding(
      { networkConnectionAction: { localIpDetails: { ipAddressV4: '203.0.113.1' }, ...REMOTE } },
      { resource: { remoteIpDetails: { ipAddressV4: '203.0.113.2' }, instanceDetails: { publicIp: '203.0.113.3' } } },
    );
    expect(addressesOf(body)).toEqual(BOTH);
  });
});

describe('findings that count for nothing', () => {
  test('archived ones', () => {
    const body = { type: 'T', service: { archived: true, action: { awsApiCallAction: REMOTE } } };
    expect(readReport(body, 0)).toEqual({ found: [], archived: 2, belowSeverity: 0 });
  });

  test('those below the severity; one that does not say is taken', () => {
    const action = { awsApiCallAction: REMOTE };
    expect(readReport(finding(action, { severity: 3.9 }), 4)).toEqual({ found: [], archived: 0, belowSeverity: 2 });
    expect(addressesOf(finding(action, { severity: 4 }))).toEqual(BOTH);
    expect(readReport(finding(action), 4).found).toHaveLength(2);
  });
});

test('the type is one word of bounded length, whatever was sent', () => {
  const typeOf = (type: unknown): string | undefined =>
    readReport({ remote_ip: '192.0.2.1', event_type: type }, 0).found[0]?.type;
  expect(typeOf('a\r\nb "c" ünd \u202e')).toBe('a_b_"c"_nd_');
  expect(typeOf('x'.repeat(5000))).toHaveLength(200);
  expect(typeOf(undefined)).toBe('unknown');
  expect(typeOf({})).toBe('unknown');
});

describe('hostile bodies', () => {
  test('nothing that JSON can say makes it throw anything else', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (body) => {
        try {
          readReport(body, 0);
        } catch (error) {
          expect(error).toBeInstanceOf(FindingError);
        }
      }),
    );
  });

  test('findings with anything in the known places give canonical addresses or nothing', () => {
    const key = fc.constantFrom(
      ...['detail', 'service', 'action', 'awsApiCallAction', 'remoteIpDetails', 'ipAddressV4', 'ipAddressV6'],
      ...[
        'portProbeAction',
        'portProbeDetails',
        'kubernetesApiCallAction',
        'sourceIPs',
        'remote_ip',
        'type',
        '__proto__',
      ],
    );
    const leaf = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), fc.integer(), fc.constant(null));
    const { node } = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof({ maxDepth: 8 }, leaf, fc.array(tie('node'), { maxLength: 3 }), fc.dictionary(key, tie('node'))),
    }));
    fc.assert(
      fc.property(node, (body) => {
        try {
          for (const { address } of readReport(JSON.parse(JSON.stringify(body)), 0).found) {
            expect(address).toMatch(/^[\d.]+$|^[\da-f:]+$/);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(FindingError);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('keys that objects have by nature are not there', () => {
    expect(() => readReport(JSON.parse('{"__proto__":{"remote_ip":"192.0.2.1"}}'), 0)).toThrow(FindingError);
    expect(() => readReport({ constructor: 1 }, 0)).toThrow(FindingError);
  });

  test('no message repeats what was sent', () => {
    expect(() => readReport({ remote_ip: 'geheim' }, 0)).toThrow('the body: remote_ip is not an IP address');
  });
});
