// A program that uses the built library, for whichever Node runs it: pull, list, read, check, collect. Prints one line of JSON.
import {
  byteStringFromText,
  checkEverything,
  collectGarbage,
  openImageView,
  openOrCreate,
  pullImage,
} from 'onecopy';

const [path, reference, file] = process.argv.slice(2);
const { repository } = await openOrCreate({ path });
try {
  const pulled = await pullImage(repository, reference, { name: 'app' });
  const view = await openImageView(repository, 'app');
  const pieces = [];
  for (const piece of view.read(byteStringFromText(file))) pieces.push(Buffer.from(piece));
  view[Symbol.dispose]();
  const { findings } = await checkEverything(repository);
  const { removed } = await collectGarbage(repository);
  const report = {
    major: process.versions.node.split('.')[0],
    layers: pulled.layers.length,
    text: Buffer.concat(pieces).toString(),
    findings: findings.length,
    removed: removed?.objects,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
} catch (error) {
  process.stdout.write(
    `${JSON.stringify({ code: error.code, hint: error.hint, cause: error.cause?.code })}\n`,
  );
} finally {
  repository[Symbol.dispose]();
}
