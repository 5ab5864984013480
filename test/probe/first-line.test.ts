import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FirstLine } from '../../src/probe/first-line.ts';

function read(...pieces: readonly string[]): FirstLine {
  const line = new FirstLine();
  for (const piece of pieces) line.push(Buffer.from(piece, 'latin1'));
  return line;
}

describe('the first line of a server', () => {
  test.each([
    { text: 'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n', said: 'SSH-2.0-OpenSSH_9.2p1 Debian-2', who: 'an SSH server' },
    { text: 'HTTP/1.1 400 Bad Request\r\n', said: 'HTTP/1.1 400 Bad Request', who: 'an HTTP server' },
    { text: '<!DOCTYPE HTML>\n', said: '<!DOCTYPE HTML>', who: 'an HTTP server' },
    { text: '220-mx.example ESMTP Postfix\r\n', said: '220-mx.example ESMTP Postfix', who: '(SMTP)' },
    { text: '220 (vsFTPd 3.0.3)\r\n', said: '220 (vsFTPd 3.0.3)', who: 'a mail or FTP server' },
    { text: '* OK IMAP4rev1\r\n', said: '* OK IMAP4rev1', who: 'a mailbox server' },
    { text: '+OK ready\r\n', said: '+OK ready', who: 'a mailbox server' },
    { text: 'RTSP/1.0 400 Bad Request\r\n', said: 'RTSP/1.0 400 Bad Request', who: 'an RTSP server' },
    { text: '\0\x07hello\n', said: String.raw`\u{0}\u{7}hello`, who: 'another protocol' },
    { text: `${'x'.repeat(300)}`, said: `${'x'.repeat(60)}...`, who: 'another protocol' },
  ])('tells $who', ({ text, said, who }) => {
    const line = read(text);
    expect(line.isComplete).toBe(true);
    expect(line.foreign).toEqual({ said: `says "${said}"`, advice: expect.stringContaining(who) });
  });

  test.each(['\x15\x03\x01\x00\x02\x02\x46', '\x16\x03', '\x15\x03\x03\n'])('tells TLS', (text) => {
    expect(read(text).foreign?.said).toBe('answers in TLS');
    expect(read(text).isComplete).toBe(true);
  });

  test.each(['', '\r\n', 'I', 'ICAP', 'icap/1.0 200 OK\r\n', 'ICAP/1.0 200 OK\r\nISTag: "x"\r\n', 'ICAP/nonsense\n'])(
    'leaves %j to those who read ICAP',
    (text) => {
      expect(read(text).foreign).toBeUndefined();
    },
  );

  test('is the same in any pieces, and of bounded length', () => {
    const bytes = fc.oneof(fc.string({ maxLength: 400, unit: 'binary-ascii' }), fc.constant('SSH-2.0-x\r\n'));
    fc.assert(
      fc.property(bytes, fc.array(fc.nat({ max: 400 })), (text, cuts) => {
        const places = [0, ...cuts.filter((cut) => cut <= text.length).toSorted((a, b) => a - b), text.length];
        const pieces = places.slice(1).map((end, index) => text.slice(places[index], end));
        const whole = read(text);
        const pieced = read(...pieces);
        expect(pieced.isComplete).toBe(whole.isComplete);
        expect(pieced.foreign).toEqual(whole.foreign);
        expect(whole.foreign?.said.length ?? 0).toBeLessThan(1_000);
      }),
    );
  });
});
