/**
 * The child process of `fake-http.ts`: one HTTP/1.1 server on a loopback port that delays, fails, resets and truncates as
 * told, and keeps a log. A process of its own, so that its delays are real while the client computes.
 */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join, normalize } from 'node:path';
import type { FakeHttpOptions, FakeRequest, Fault } from './fake-http.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as FakeHttpOptions;
let log: FakeRequest[] = [];
let faults: Fault[] = [...(options.faults ?? [])];
let index = 0;
let active = 0;
let peak = 0;
let connections = 0;

function faultFor(at: number, path: string): Fault | undefined {
  const found = faults.find(
    (fault) =>
      (fault.index === undefined || fault.index === at) &&
      (fault.path === undefined || path.includes(fault.path)) &&
      (fault.times === undefined || fault.times > 0),
  );
  if (found?.times !== undefined) (found as { times: number }).times--;
  return found;
}

function note(request: IncomingMessage, status: number): void {
  log.push({
    method: request.method ?? '',
    path: request.url ?? '',
    status,
    headers: request.headers as Record<string, string>,
  });
}

function contentOf(
  path: string,
): { size: number; open(start: number): NodeJS.ReadableStream | Buffer } | undefined {
  const generated = /^\/size\/(\d+)/.exec(path);
  if (generated !== null) {
    const bytes = Buffer.alloc(Number(generated[1]), path);
    return { size: bytes.length, open: (start) => bytes.subarray(start) };
  }
  if (options.root === undefined) return undefined;
  const file = join(options.root, normalize(decodeURIComponent(path.replace(/\?.*$/, ''))));
  try {
    const stat = statSync(file);
    if (!stat.isFile()) return undefined;
    if (stat.size <= 65_536) {
      const bytes = readFileSync(file);
      return { size: stat.size, open: (start) => bytes.subarray(start) };
    }
    return { size: stat.size, open: (start) => createReadStream(file, { start }) };
  } catch {
    return undefined;
  }
}

function misbehave(fault: Fault, request: IncomingMessage, response: ServerResponse): boolean {
  switch (fault.kind) {
    case 'status': {
      note(request, fault.status ?? 500);
      const body = fault.body ?? 'failed on purpose\n';
      response.writeHead(fault.status ?? 500, { 'content-length': body.length, ...fault.headers });
      response.end(request.method === 'HEAD' ? undefined : body);
      return true;
    }
    case 'reset':
      note(request, 0);
      request.socket.resetAndDestroy();
      return true;
    case 'close':
      note(request, 0);
      request.socket.destroy();
      return true;
    case 'stall':
      note(request, 0);
      return true;
    case 'garbage':
      note(request, 0);
      request.socket.end('SPDY/9 what\r\n\r\n');
      return true;
    default:
      return false;
  }
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? '/';
  const fault = faultFor(index++, path);
  if (fault !== undefined && misbehave(fault, request, response)) return;
  const content = contentOf(path);
  if (content === undefined) {
    note(request, 404);
    const page = '404 Not Found: '.padEnd(200, '.');
    response.writeHead(404, { 'content-length': page.length });
    response.end(request.method === 'HEAD' ? undefined : page);
    return;
  }
  const etag = options.etags === true ? `"${content.size}-${path.length}"` : undefined;
  if (etag !== undefined && request.headers['if-none-match'] === etag) {
    note(request, 304);
    response.writeHead(304, { etag }).end();
    return;
  }
  send(request, response, content, etag, fault);
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  content: NonNullable<ReturnType<typeof contentOf>>,
  etag: string | undefined,
  fault: Fault | undefined,
): void {
  const range = /^bytes=(\d+)-\d*$/.exec(request.headers.range ?? '');
  const valid = request.headers['if-range'] === undefined || request.headers['if-range'] === etag;
  const start = range !== null && valid && options.ranges !== false ? Number(range[1]) : 0;
  const status = start > 0 ? 206 : 200;
  note(request, status);
  const headers: Record<string, string | number> = { ...(etag === undefined ? {} : { etag }) };
  if (options.chunked !== true) headers['content-length'] = content.size - start;
  if (start > 0) headers['content-range'] = `bytes ${start}-${content.size - 1}/${content.size}`;
  response.writeHead(status, headers);
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const body = content.open(start);
  if (fault?.kind === 'truncate') {
    const part = Buffer.isBuffer(body) ? body.subarray(0, fault.bytes ?? 0) : Buffer.alloc(0);
    response.write(part, () => request.socket.destroy());
    if (part.length === 0) request.socket.destroy();
  } else if (Buffer.isBuffer(body)) response.end(body);
  else body.pipe(response);
}

function onRequest(request: IncomingMessage, response: ServerResponse): void {
  active++;
  peak = Math.max(peak, active);
  response.on('close', () => active--);
  if ((options.latencyMs ?? 0) === 0) answer(request, response);
  else setTimeout(() => answer(request, response), options.latencyMs);
}

const server =
  options.tls === undefined
    ? createServer({ keepAliveTimeout: 60_000 }, onRequest)
    : createTlsServer(
        {
          key: options.tls.key,
          cert: options.tls.cert,
          ...(options.tls.clientCa === undefined
            ? {}
            : { ca: options.tls.clientCa, requestCert: true, rejectUnauthorized: true }),
        },
        onRequest,
      );
server.on('connection', () => connections++);
server.listen(options.port ?? 0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 });
});

process.on('message', (message: { ask: string; faults?: Fault[] }) => {
  if (message.ask === 'log') process.send?.({ log, peak, connections });
  if (message.ask === 'reset') {
    log = [];
    faults = [...(message.faults ?? [])];
    index = 0;
    peak = 0;
    connections = 0;
    process.send?.({ done: true });
  }
});
process.on('disconnect', () => process.exit(0));
