import { SplitstreamWriter } from '#formats/splitstream';
import { openRepository } from '#stores/composefs';

/**
 * A process that writes streams into a repository until it has written enough, opening it anew each time, and takes back every third:
 * `node stream-writer.ts <repository> <who> <count>`.
 */
const [path = '', who = '', count = '0'] = process.argv.slice(2);

for (let round = 0; round < Number(count); round += 1) {
  using repository = await openRepository(path, { timeoutMs: 30_000 });
  const { algorithm } = repository;
  const writer = new SplitstreamWriter({ algorithm, contentType: 1n });
  for (let part = 0; part < 4; part += 1) {
    // Half of the objects are shared between the writers, so that each finds, now and then, what the other has stored or collected.
    const owner = part < 2 ? 'shared' : who;
    const content = Buffer.from(`${owner} ${round} ${part} `.repeat(20));
    const { id } = repository.objects.ensureBytes(content);
    writer.writeExternal(id, content.length);
  }
  repository.streams.publish(`${who}-${round}`, await writer.finish(), { ref: `${who}/${round}` });
  if (round % 3 === 2) repository.refs.remove('streams', `${who}/${round}`);
}
