/**
 * Prints how many bytes each image shares with others and has alone, and verifies the repository. Exits with 3 on findings.
 *
 * Usage: node examples/use-and-check.ts REPOSITORY
 */
import {
  byteStringFromText,
  checkEverything,
  isOnecopyError,
  listOciImages,
  type ObjectId,
  openImageView,
  openRepository,
  type Repository,
  renderErrorText,
} from '../src/index.ts'; // in your project: from 'onecopy'

/** The objects of an image with their sizes. An object is one file on the disk, however many images use it. */
async function objectsOf(repository: Repository, image: string): Promise<Map<ObjectId, number>> {
  using view = await openImageView(repository, image);
  const objects = new Map<ObjectId, number>();
  for (const { objectId, sizeBytes } of view.walk(byteStringFromText('/'))) {
    if (objectId !== undefined) objects.set(objectId, sizeBytes);
  }
  return objects;
}

try {
  using repository = await openRepository(process.argv[2] ?? '');
  const images = new Map<string, Map<ObjectId, number>>();
  for (const { name, image } of listOciImages(repository)) {
    if (image?.config !== undefined) images.set(name, await objectsOf(repository, name));
  }
  const users = new Map<ObjectId, number>();
  for (const objects of images.values()) {
    for (const id of objects.keys()) users.set(id, (users.get(id) ?? 0) + 1);
  }
  for (const [name, objects] of images) {
    let own = 0;
    let shared = 0;
    for (const [id, sizeBytes] of objects) {
      if (users.get(id) === 1) own += sizeBytes;
      else shared += sizeBytes;
    }
    process.stdout.write(`${name}: ${own} bytes alone, ${shared} bytes shared\n`);
  }

  const { ok, findings } = await checkEverything(repository);
  for (const finding of findings) process.stdout.write(`${JSON.stringify(finding)}\n`);
  process.stdout.write(ok ? 'no damage\n' : `${findings.length} findings\n`);
  if (!ok) process.exitCode = 3;
} catch (error) {
  if (!isOnecopyError(error)) throw error;
  process.stderr.write(`${renderErrorText(error)}\n`);
  process.exitCode = error.exitCode;
}
