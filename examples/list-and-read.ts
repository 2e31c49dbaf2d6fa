/**
 * Lists the images of a repository, the files of an image, or prints a file. Nothing is changed.
 *
 * Usage: node examples/list-and-read.ts REPOSITORY [IMAGE [PATH]]
 */
import {
  byteStringFromText,
  displayText,
  isOnecopyError,
  listOciImages,
  openImageView,
  openRepository,
  renderErrorText,
} from '../src/index.ts'; // in your project: from 'onecopy'

const [path = '', image, file] = process.argv.slice(2);
try {
  using repository = await openRepository(path);
  if (image === undefined) {
    for (const { name, manifestDigest } of listOciImages(repository)) {
      process.stdout.write(`${name} ${manifestDigest}\n`);
    }
  } else {
    using view = await openImageView(repository, image);
    if (file === undefined) {
      for (const entry of view.walk(byteStringFromText('/'))) {
        process.stdout.write(`${entry.kind} ${entry.sizeBytes} ${displayText(entry.path)}\n`);
      }
    } else {
      // The next piece overwrites this one: copy it to keep it.
      for (const piece of view.read(byteStringFromText(file))) {
        process.stdout.write(Buffer.from(piece));
      }
    }
  }
} catch (error) {
  if (!isOnecopyError(error)) throw error;
  process.stderr.write(`${renderErrorText(error)}\n`);
  process.exitCode = error.exitCode;
}
