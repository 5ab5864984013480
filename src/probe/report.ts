import { printable } from '../config/show.ts';
import { isoDay } from '../tls/certificate.ts';
import type { TlsSummary } from './dial.ts';
import type { OptionsReport, ProbeReport } from './probe.ts';
import type { StatusAdvice } from './profile.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

const ADVICE: StatusAdvice = {
  400: 'the server did not understand the request: another --profile may fit, -v shows what was said',
  403: 'the server does not serve this client: check its list of allowed addresses',
  404: 'there is no service at this path: give the path in the URL, or a --profile',
  405: 'the service does not take this method: try the other --method',
  407: 'the server wants credentials: give them with --header',
  408: 'the server gave up waiting for the request',
  418: 'the server wants other parts in the message: try the other --method',
  500: 'the server failed: its log knows why',
  502: 'the server could not reach what judges',
  503: 'the server has too much to do, or nothing healthy to pass it on to: try again later',
};

/** What was found out, for people, without colour. The last line is the verdict; `advice` is that of the profile. */
export function reportLines(report: ProbeReport, nowMs: number, advice: StatusAdvice): readonly string[] {
  return [
    `connected  ${report.address}, ${tlsText(report.tls, nowMs)}`,
    `options    ${optionsText(report.options)}`,
    `sent       ${sentText(report)}`,
    ...warningLines(report),
    `${verdictWord(report).padEnd(10)} ${verdictText(report, advice)}`,
  ].map(printable);
}

/** The one word a person looks for. */
export function verdictWord({ verdict }: Pick<ProbeReport, 'verdict'>): string {
  return verdict === 'error' ? 'NO VERDICT' : verdict.toUpperCase();
}

/** Why there is no verdict and what to try, from a status; what the profile knows of it comes first. */
export function statusAdvice(status: number, own: StatusAdvice): string {
  return own[status] ?? ADVICE[status] ?? 'the server did not judge the document';
}

/** How the connection is protected. */
export function tlsText(tls: TlsSummary | undefined, nowMs: number): string {
  if (tls === undefined) return 'in clear text';
  const { subject, notAfterMs } = tls.certificate;
  const days = Math.floor((notAfterMs - nowMs) / DAY_MS);
  const validity = `until ${isoDay(notAfterMs)}, ${days} days left`;
  return `${tls.version}, certificate ${subject} (${validity})${tls.isVerified ? '' : ', NOT VERIFIED'}`;
}

/** What a service says of itself, on one line. */
export function optionsText(options: OptionsReport): string {
  const { status, reason, service, methods, previewBytes, allow204 } = options;
  return [
    `${status} ${reason}`.trim(),
    ...(service === undefined ? [] : [service]),
    ...(methods.length === 0 ? [] : [`methods ${methods.join(' ')}`]),
    ...(previewBytes === undefined ? [] : [`preview ${previewBytes}`]),
    ...(allow204 ? ['allow 204'] : []),
  ].join('; ');
}

function sentText({ method, path, document, previewBytes, endedInPreview }: ProbeReport): string {
  const extent =
    previewBytes === undefined
      ? 'without preview'
      : endedInPreview
        ? `preview of ${previewBytes} was enough`
        : `preview of ${previewBytes}, then the rest`;
  return `${method} ${path}, ${document.name} (${document.sizeBytes} bytes), ${extent}`;
}

function warningLines({ options, method }: ProbeReport): readonly string[] {
  const { methods } = options;
  if (methods.length === 0 || methods.includes(method)) return [];
  return [`warning    the service does not offer ${method}`];
}

function verdictText(report: ProbeReport, advice: StatusAdvice): string {
  const { verdict, threat, icapStatus, icapReason, httpStatus, answerMs } = report;
  const statuses = [`ICAP ${icapStatus}`, ...(httpStatus === undefined ? [] : [`HTTP ${httpStatus}`])].join(', ');
  const after = `after ${Math.round(answerMs)} ms`;
  if (verdict === 'error') return `ICAP ${icapStatus} ${icapReason} ${after}: ${statusAdvice(icapStatus, advice)}`;
  return `${threat === undefined ? '' : `${threat} `}(${statuses}) ${after}`;
}
