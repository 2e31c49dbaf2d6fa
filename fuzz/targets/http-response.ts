// Invariant: any bytes give the same events for every cut, or one RESPONSE_MALFORMED; never more body than bytes, never an event out of order.
import assert from 'node:assert/strict';
import { FormatError } from '#base/errors';
import { ResponseParser } from '#remotes/http';

/** Name of the target and of its folder of inputs. */
export const name = 'http-response';

const METHODS = ['GET', 'HEAD', 'GET', 'GET', 'GET', 'GET'];

interface Heard {
  readonly lines: string[];
  bodyBytes: number;
  code: string | undefined;
}

/** Reads the bytes whole, in pieces of 7, and one by one. */
export function run(bytes: Uint8Array): void {
  const whole = listen(bytes, Math.max(1, bytes.length));
  assert.ok(whole.bodyBytes <= bytes.length);
  for (const pieceBytes of bytes.length > 4096 ? [997] : [7, 1]) {
    const pieces = listen(bytes, pieceBytes);
    assert.equal(pieces.code, whole.code);
    assert.deepEqual(pieces.lines, whole.lines);
    assert.equal(pieces.bodyBytes, whole.bodyBytes);
  }
}

/** One conversation with every framing. */
export function seeds(): Uint8Array[] {
  return [
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "a"\r\n\r\nhello',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\nwiki\r\n0\r\nX: y\r\n\r\n',
    'HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 204\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil the end',
    'HTTP/1.0 404 Not Found\nConnection: keep-alive\nContent-Length: 2\n\nnoHTTP/1.1 206 P\r\nContent-Length: 0\r\n\r\n',
  ].map((text) => Uint8Array.from(Buffer.from(text, 'latin1')));
}

function listen(bytes: Uint8Array, pieceBytes: number): Heard {
  const heard: Heard = { lines: [], bodyBytes: 0, code: undefined };
  let isOpen = false;
  const parser = new ResponseParser({
    onHead({ status, contentLength, headers, keepAlive }) {
      assert.ok(!isOpen);
      isOpen = true;
      heard.lines.push(JSON.stringify([status, contentLength, [...headers], keepAlive]));
    },
    onBody(piece) {
      assert.ok(isOpen && piece.length > 0);
      heard.bodyBytes += piece.length;
    },
    onEnd() {
      assert.ok(isOpen);
      isOpen = false;
      heard.lines.push(`end after ${heard.bodyBytes}`);
    },
  });
  for (const method of METHODS) parser.expect(method);
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      parser.push(bytes.subarray(at, at + pieceBytes));
    }
    heard.lines.push(`closed ${parser.close()}`);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    heard.code = error.code;
  }
  return heard;
}
