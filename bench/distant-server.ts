/**
 * A server that is some milliseconds away, as a process of its own: answers GET from memory after a delay, and does nothing else,
 * because it runs on the same processors as the measured client. Arguments: the folder to serve, the delay.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join, relative } from 'node:path';

const [root = '.', latencyMs = '0'] = process.argv.slice(2);
const END = '\r\n\r\n';

/** Whole answers by path. */
const answers = new Map<string, Buffer>();
for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const file = join(entry.parentPath, entry.name);
  answers.set(`/${relative(root, file)}`, answerOf('200 OK', readFileSync(file)));
}
const absent = answerOf('404 Not Found', Buffer.alloc(200, '.'));

function answerOf(status: string, body: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`HTTP/1.1 ${status}\r\nContent-Length: ${body.length}${END}`),
    body,
  ]);
}

function serve(socket: Socket): void {
  let asked = '';
  socket.on('data', (piece) => {
    asked += piece.toString('latin1');
    for (let end = asked.indexOf(END); end >= 0; end = asked.indexOf(END)) {
      const path = asked.slice(asked.indexOf(' ') + 1, asked.indexOf(' HTTP/1.1\r\n'));
      const answer = answers.get(path) ?? absent;
      setTimeout(() => socket.write(answer), Number(latencyMs));
      asked = asked.slice(end + END.length);
    }
  });
  socket.on('error', () => socket.destroy());
}

const server = createServer({ noDelay: true }, serve);
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 });
});
process.on('disconnect', () => process.exit(0));
