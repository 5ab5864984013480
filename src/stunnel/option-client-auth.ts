import type { ClientAuthFlags, ServiceDraft } from './draft.ts';
import { type ApplyOption, type StunnelOption, serviceOption } from './option.ts';
import { ignoredOption, refusedOption } from './option-foreign.ts';
import { readInteger, readText, readYesNo, store } from './value.ts';

/** The flags each level sets; a level says something about all four. */
const LEVELS: readonly ClientAuthFlags[] = [
  { request: true, require: false, chain: false, peer: false },
  { request: true, require: false, chain: true, peer: false },
  { request: true, require: true, chain: true, peer: false },
  { request: true, require: true, chain: true, peer: true },
  { request: true, require: true, chain: false, peer: true },
];

/** Switching a flag on also asks for a certificate; switching it off changes nothing else. */
function flag(name: 'require' | 'chain' | 'peer'): ApplyOption<ServiceDraft> {
  return (setting, draft, report) => {
    const value = readYesNo(setting, report);
    if (value === undefined) return;
    const asked = value ? { request: true, require: true } : {};
    Object.assign(draft.clientAuth, asked, { [name]: value });
    draft.clientAuthPlace = setting.place;
  };
}

function trustFile(key: string, expected: string): ApplyOption<ServiceDraft> {
  return (setting, draft, report) => {
    const path = setting.value === '' ? '' : readText(setting, expected, report);
    store(draft.trust, key, path, setting);
  };
}

function check(kind: 'DNS' | 'IP' | 'EMAIL'): ApplyOption<ServiceDraft> {
  return (setting, draft, report) => {
    const value = readText(setting, 'say what the certificate must hold', report);
    if (value !== undefined) draft.checks.push({ value: `${kind}:${value}`, place: setting.place });
  };
}

/** Where the identity of a client is put; a section may have one that has no use for it. */
export const PSK_IDENTITY_KEY = 'tls.psk-identity';

/** Options about which clients are let in. */
export const CLIENT_AUTH_OPTIONS: readonly StunnelOption[] = [
  serviceOption({
    name: 'CAfile',
    rating: 'A',
    verdict: 'better',
    values: 'FILE, or nothing',
    note: 'without verify, verifyChain, verifyPeer or requireCert it makes a verified client certificate necessary; in stunnel it then asks for none and lets anyone in. In client mode it verifies nobody by itself, as in stunnel, with a warning',
    apply: trustFile('ca.file', 'name the file'),
  }),
  serviceOption({
    name: 'CApath',
    rating: 'B',
    verdict: 'better',
    values: 'DIR, or nothing',
    note: 'every certificate in the folder counts, whatever its name; otherwise as CAfile',
    apply: trustFile('ca.path', 'name the folder'),
  }),
  serviceOption({
    name: 'verify',
    rating: 'A',
    verdict: 'same',
    values: '0 to 4',
    note: '0 accepts anyone, with a warning; 1 verifies what is shown, which servers always do; 2 requires a chain; 3 a chain and a known certificate; 4 a known certificate. In client mode about the certificate of the server',
    apply(setting, draft, report) {
      const level = readInteger(setting, 0, LEVELS.length - 1, report);
      if (level === undefined) return;
      Object.assign(draft.clientAuth, LEVELS[level]);
      draft.clientAuthPlace = setting.place;
    },
  }),
  serviceOption({
    name: 'verifyChain',
    rating: 'A',
    verdict: 'same',
    values: 'yes, no',
    note: 'the chain must lead to a self-signed CA in CAfile or CApath; no is obeyed with a warning. In client mode without checkHost, checkIP or checkEmail any certificate of that CA will do, with a warning',
    apply: flag('chain'),
  }),
  serviceOption({
    name: 'verifyPeer',
    rating: 'A',
    verdict: 'same',
    values: 'yes, no',
    note: "the client's own certificate, in client mode the server's, must be in CAfile or CApath; no is obeyed with a warning",
    apply: flag('peer'),
  }),
  serviceOption({
    name: 'requireCert',
    rating: 'A',
    verdict: 'same',
    values: 'yes, no',
    note: 'without verifyChain or verifyPeer any certificate passes, with a warning',
    apply: flag('require'),
  }),
  serviceOption({
    name: 'CRLfile',
    rating: 'A',
    verdict: 'better',
    values: 'FILE, or nothing',
    note: 'read again when it changes',
    apply: trustFile('crl.file', 'name the file'),
  }),
  serviceOption({
    name: 'CRLpath',
    rating: 'B',
    verdict: 'better',
    values: 'DIR, or nothing',
    note: 'every list in the folder counts, whatever its name; read again when it changes',
    apply: trustFile('crl.path', 'name the folder'),
  }),
  ...(['checkHost', 'checkIP', 'checkEmail'] as const).map((name) =>
    serviceOption({
      name,
      repeats: true,
      rating: 'A',
      verdict: 'same',
      values: 'TEXT',
      note: 'the certificate of the other side must match one of all three lists; needs verifyChain or verifyPeer',
      apply: check(name === 'checkHost' ? 'DNS' : name === 'checkIP' ? 'IP' : 'EMAIL'),
    }),
  ),
  ...['CAengine', 'CAstore'].map((name) =>
    refusedOption({
      name,
      scope: 'service',
      repeats: name === 'CAengine',
      values: 'ID',
      note: 'trusted certificates come from files only',
      instead: 'write them to a PEM file and name it in CAfile',
    }),
  ),
  refusedOption({
    name: 'OCSP',
    scope: 'service',
    values: 'URL',
    note: 'revocation is not asked for over the network',
    instead: 'use CRLfile, which is read again when it changes',
  }),
  refusedOption({
    name: 'OCSPaia',
    scope: 'service',
    values: 'yes, no',
    harmless: ['no'],
    note: 'revocation is not asked for over the network',
    instead: 'use CRLfile, which is read again when it changes',
  }),
  ...['OCSPflag', 'OCSPnonce', 'OCSPrequire', 'TIMEOUTocsp'].map((name) =>
    ignoredOption({
      name,
      scope: 'service',
      repeats: name === 'OCSPflag',
      values: 'TEXT',
      harmless: ['no'],
      note: 'it only matters with OCSP or OCSPaia',
      instead: 'remove the line',
    }),
  ),
  serviceOption({
    name: 'PSKsecrets',
    rating: 'C',
    verdict: 'better',
    values: 'FILE',
    note: 'lines of IDENTITY:KEY, read again when they change. In client mode, unless verifyChain or verifyPeer says otherwise, a server that shows a certificate in place of the key is refused; in stunnel whoever answers is taken then',
    apply(setting, draft, report) {
      store(draft.values, 'tls.psk-file', readText(setting, 'name the file', report), setting);
    },
  }),
  serviceOption({
    name: 'PSKidentity',
    rating: 'C',
    verdict: 'same',
    values: 'TEXT',
    note: 'in client mode, the identity in PSKsecrets to use; the first one by default. A server has no use for it',
    apply(setting, draft, report) {
      store(draft.values, PSK_IDENTITY_KEY, readText(setting, 'name an identity of PSKsecrets', report), setting);
    },
  }),
  refusedOption({
    name: 'ident',
    scope: 'service',
    values: 'USER',
    note: 'clients are not asked for their user name (RFC 1413)',
    instead: 'use client certificates, or icapgw.allow-from = [CIDR, ...]',
  }),
  refusedOption({
    name: 'libwrap',
    scope: 'service',
    values: 'yes, no',
    harmless: ['no'],
    note: '/etc/hosts.allow and hosts.deny are not read',
    instead: 'use icapgw.allow-from = [CIDR, ...] and icapgw.deny-from, and write libwrap = no',
  }),
];
