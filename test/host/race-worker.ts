import { Dir, publish, serveWorker } from '#host';

/** Names to publish in one directory (by descriptor), all with the same content. */
export interface RaceTask {
  readonly fd: number;
  readonly names: readonly string[];
  readonly content: string;
}

/** How many of the names this thread made. */
export interface RaceResult {
  readonly published: number;
}

serveWorker<RaceTask, never, never, RaceResult>(({ fd, names, content }) => {
  // The descriptor belongs to the thread that passed it: this handle must not close it.
  const dir = new Dir(fd, 'race');
  let published = 0;
  for (const name of names) {
    using file = dir.tmpfile();
    file.write(Buffer.from(content.repeat(100)));
    if (publish(file, dir, name, { durable: false }) === 'published') published += 1;
  }
  return { published };
});
