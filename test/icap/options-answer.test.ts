import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aggregateIstag } from '../../src/icap/istag.ts';
import { DEFAULT_ICAP_LIMITS } from '../../src/icap/limits.ts';
import { type OptionsAnswer, type OptionsSource, optionsFields } from '../../src/icap/options-answer.ts';
import { createResponseReader } from '../../src/icap/response-reader.ts';
import { serializeLines, statusLine } from '../../src/icap/serialize.ts';
import { parseServiceOptions, type ServiceOptions } from '../../src/icap/service-options.ts';
import { transcribe } from '../_util/icap-transcript.ts';

const MEMBER: ServiceOptions = {
  methods: ['REQMOD', 'RESPMOD'],
  service: 'dlp',
  serviceId: undefined,
  istag: '"a"',
  previewBytes: 1024,
  allow204: true,
  allow206: false,
  maxConnections: 10,
  ttlSeconds: 600,
  transferPreview: [],
  transferIgnore: [],
  transferComplete: [],
  include: [],
};

const OUT: OptionsAnswer = {
  methods: undefined,
  maxConnections: undefined,
  istag: '"gw-1"',
  isDegraded: false,
  nowMs: Date.UTC(2026, 10, 21, 14, 49, 1),
};

/** The answer for members that differ from MEMBER in what is given. `ageMs` counts for all of them. */
function answer(members: readonly Partial<ServiceOptions>[], out: Partial<OptionsAnswer> = {}, ageMs = 0): string {
  const sources: readonly OptionsSource[] = members.map((member) => ({ options: { ...MEMBER, ...member }, ageMs }));
  return optionsFields(sources, { ...OUT, ...out });
}

function line(text: string, name: string): string | undefined {
  const found = text.split('\r\n').filter((candidate) => candidate.startsWith(`${name}: `));
  expect(found.length).toBeLessThan(2);
  return found[0]?.slice(name.length + 2);
}

test('one plain member is answered for in full', () => {
  expect(answer([{}], { maxConnections: 9 }).split('\r\n')).toEqual([
    'Date: Sat, 21 Nov 2026 14:49:01 GMT',
    'Service: icapgw',
    'ISTag: "gw-1"',
    'Methods: REQMOD, RESPMOD',
    'Options-TTL: 600',
    'Max-Connections: 9',
    'Allow: 204',
    'Preview: 1024',
    '',
  ]);
});

describe('Methods', () => {
  test.each([
    { of: [['REQMOD']], routed: undefined, methods: 'REQMOD' },
    { of: [['REQMOD'], ['RESPMOD']], routed: undefined, methods: 'REQMOD, RESPMOD' },
    { of: [['REQMOD'], ['REQMOD', 'RESPMOD'], ['REQMOD']], routed: undefined, methods: 'REQMOD, RESPMOD' },
    { of: [['REQMOD']], routed: ['REQMOD', 'RESPMOD'], methods: 'REQMOD' },
    { of: [['REQMOD', 'RESPMOD']], routed: ['RESPMOD'], methods: 'RESPMOD' },
    { of: [['OPTIONS', 'REQMOD', 'BREW']], routed: undefined, methods: 'REQMOD' },
    { of: [['RESPMOD']], routed: ['REQMOD'], methods: 'REQMOD' },
    { of: [[]], routed: undefined, methods: 'REQMOD, RESPMOD' },
    { of: [], routed: undefined, methods: 'REQMOD, RESPMOD' },
    { of: [], routed: ['RESPMOD'], methods: 'RESPMOD' },
  ])('members with $of, routes for $routed: $methods', ({ of, routed, methods }) => {
    expect(
      line(
        answer(
          of.map((each) => ({ methods: each })),
          { methods: routed },
        ),
        'Methods',
      ),
    ).toBe(methods);
  });
});

describe('Options-TTL', () => {
  test.each([
    { name: 'what is left of it', ttls: [600], ageMs: 100_400, degraded: false, ttl: '499' },
    { name: 'the smallest', ttls: [600, 90, undefined], ageMs: 0, degraded: false, ttl: '90' },
    { name: 'never below half a minute', ttls: [600, 5], ageMs: 0, degraded: false, ttl: '30' },
    { name: 'nor when it is over', ttls: [60], ageMs: 3_600_000, degraded: false, ttl: '30' },
    { name: 'never above an hour', ttls: [86_400], ageMs: 0, degraded: false, ttl: '3600' },
    { name: 'a minute where nobody says', ttls: [undefined], ageMs: 0, degraded: false, ttl: '60' },
    { name: 'a minute while a member is missing', ttls: [600], ageMs: 0, degraded: true, ttl: '60' },
    { name: 'less where less is left', ttls: [600, 45], ageMs: 0, degraded: true, ttl: '45' },
    { name: 'a minute with no member', ttls: [], ageMs: 0, degraded: true, ttl: '60' },
  ])('$name', ({ ttls, ageMs, degraded, ttl }) => {
    const members = ttls.map((ttlSeconds) => ({ ttlSeconds }));
    expect(line(answer(members, { isDegraded: degraded }, ageMs), 'Options-TTL')).toBe(ttl);
  });
});

describe('numbers of the pool', () => {
  test.each([
    { given: undefined, line: undefined },
    { given: 0, line: '1' },
    { given: 250, line: '250' },
  ])('Max-Connections for $given: $line', ({ given, line: expected }) => {
    expect(line(answer([{}], { maxConnections: given }), 'Max-Connections')).toBe(expected);
  });

  test.each([
    { previews: [1024, 30], preview: '30' },
    { previews: [0, 30], preview: '0' },
    { previews: [1024, undefined], preview: undefined },
    { previews: [], preview: undefined },
  ])('Preview of $previews: $preview', ({ previews, preview }) => {
    expect(line(answer(previews.map((previewBytes) => ({ previewBytes }))), 'Preview')).toBe(preview);
  });

  test.each([
    { members: [true, true], allow: '204, 206' },
    { members: [true, false], allow: '204' },
    { members: [], allow: '204' },
  ])('Allow where 206 is taken by $members: $allow', ({ members, allow }) => {
    const text = answer(members.map((allow206) => ({ allow206, allow204: false })));
    expect(line(text, 'Allow')).toBe(allow);
  });
});

describe('texts of the pool', () => {
  test('a Service-ID that all share is told', () => {
    expect(line(answer([{ serviceId: 'x' }, { serviceId: 'x' }]), 'Service-ID')).toBe('x');
    expect(line(answer([{ serviceId: 'x' }, { serviceId: 'y' }]), 'Service-ID')).toBeUndefined();
    expect(line(answer([{ serviceId: 'x' }, {}]), 'Service-ID')).toBeUndefined();
  });

  test('every field that somebody wants is asked for once', () => {
    const members = [{ include: ['X-Client-IP'] }, { include: ['x-client-ip', 'X-Authenticated-User'] }, {}];
    expect(line(answer(members), 'X-Include')).toBe('X-Client-IP, X-Authenticated-User');
    expect(line(answer([{}]), 'X-Include')).toBeUndefined();
  });
});

describe('treatment of file extensions', () => {
  const transfer = (members: readonly Partial<ServiceOptions>[]) =>
    answer(members)
      .split('\r\n')
      .filter((candidate) => candidate.startsWith('Transfer-'));

  test('where nobody says anything nothing is said', () => {
    expect(transfer([{}, { previewBytes: undefined }])).toEqual([]);
  });

  test("one member's lists stay what they mean", () => {
    expect(transfer([{ transferIgnore: ['jpg', 'gif'], transferComplete: ['exe'], transferPreview: ['*'] }])).toEqual([
      'Transfer-Ignore: gif, jpg',
      'Transfer-Preview: *',
      'Transfer-Complete: exe',
    ]);
  });

  test('ignored is what all ignore, complete what one wants complete', () => {
    const one = { transferIgnore: ['jpg', 'gif'], transferPreview: ['*'] };
    const other = { transferIgnore: ['jpg', 'png'], transferComplete: ['exe'], transferPreview: ['*'] };
    expect(transfer([one, other])).toEqual(['Transfer-Ignore: jpg', 'Transfer-Preview: *', 'Transfer-Complete: exe']);
  });

  test('the strictest default wins', () => {
    const lax = { transferComplete: ['exe'], transferIgnore: ['*'] };
    const strict = { transferIgnore: ['exe', 'jpg'], transferComplete: ['*'] };
    expect(transfer([lax, strict])).toEqual(['Transfer-Ignore: jpg', 'Transfer-Complete: *']);
  });

  test('a member without lists wants a preview of everything, or all of it where it takes none', () => {
    const ignoring = { transferIgnore: ['jpg'], transferPreview: ['*'] };
    expect(transfer([ignoring, {}])).toEqual(['Transfer-Preview: *']);
    expect(transfer([ignoring, { previewBytes: undefined }])).toEqual(['Transfer-Complete: *']);
  });

  test('no member gets less of any extension than it asks for, and * stands in exactly one list', () => {
    const extension = fc.constantFrom('*', 'a', 'b', 'c', 'd');
    const lists = fc.record({
      transferIgnore: fc.uniqueArray(extension),
      transferPreview: fc.uniqueArray(extension),
      transferComplete: fc.uniqueArray(extension),
      previewBytes: fc.constantFrom(undefined, 1024),
    });
    const strictness = (of: ServiceOptions, wanted: string): number => {
      const place = [of.transferIgnore, of.transferPreview, of.transferComplete].findLastIndex((list) =>
        list.includes(wanted),
      );
      if (place !== -1) return place;
      return wanted === '*' ? (of.previewBytes === undefined ? 2 : 1) : strictness(of, '*');
    };
    fc.assert(
      fc.property(fc.array(lists, { minLength: 1, maxLength: 4 }), (members) => {
        const said = members.some(
          (each) => each.transferIgnore.length + each.transferPreview.length + each.transferComplete.length > 0,
        );
        fc.pre(said);
        const bytes = serializeLines(statusLine(200, 'OK'), answer(members), { sections: [], body: 'null-body' });
        const reader = createResponseReader(DEFAULT_ICAP_LIMITS, () => 'OPTIONS');
        const pool = parseServiceOptions(transcribe(reader, [bytes]).messages[0]?.head.fields ?? []);
        const all = [...pool.transferIgnore, ...pool.transferPreview, ...pool.transferComplete];
        expect(all.filter((item) => item === '*')).toHaveLength(1);
        expect(new Set(all).size).toBe(all.length);
        for (const wanted of ['*', 'a', 'b', 'c', 'd', 'e']) {
          expect(strictness(pool, wanted)).toBe(
            Math.max(...members.map((each) => strictness({ ...MEMBER, ...each }, wanted))),
          );
        }
      }),
      { seed: 3507, numRuns: 300 },
    );
  });
});

describe('one ISTag for a pool', () => {
  test('is a legal one', () => {
    const istag = aggregateIstag(['"a"', '"b"']);
    expect(istag).toMatch(/^"gw-[0-9a-f]{24}"$/);
    expect(istag.length - 2).toBeLessThanOrEqual(32);
  });

  test('does not depend on order, number or quotes', () => {
    expect(aggregateIstag(['b', '"a"', 'a'])).toBe(aggregateIstag(['"a"', '"b"']));
  });

  test('changes with any of them', () => {
    const tags = [aggregateIstag([]), aggregateIstag(['a']), aggregateIstag(['a', 'b']), aggregateIstag(['ab'])];
    expect(new Set(tags).size).toBe(tags.length);
  });
});
