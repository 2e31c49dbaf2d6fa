import { IntegrityError, NotFoundError } from '#base/errors';
import { listOciImages, type OciImage, openOciImage } from '#work/image';
import type { Repository } from '#work/repository';
import type { Setting } from '../setting.ts';

/** `@` and a whole digest. */
const DIGEST = /^@?(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** An image by its tag, or by `@` and the digest of its manifest. @throws NotFoundError IMAGE_NOT_FOUND; as `openOciImage` */
export function openByManifest(repository: Repository, text: string): OciImage {
  if (text.startsWith('@')) return openOciImage(repository, text);
  return openByTag(repository, text);
}

/** An image by its tag alone. @throws as `openByManifest` */
export function openByTag(repository: Repository, text: string): OciImage {
  const tag = repository.tags.resolve(text);
  if (tag === undefined) throw notFound(text);
  return openOciImage(repository, `@${tag.manifestDigest}`);
}

/** An image by its tag, or by `@` and the digest of its config. @throws as `openByManifest` */
export function openByConfig(repository: Repository, text: string): OciImage {
  const [, digest] = text.startsWith('@') ? (DIGEST.exec(text) ?? []) : [];
  if (digest === undefined) return openByTag(repository, text);
  const rows = listOciImages(repository);
  const found = rows.find(({ image }) => image?.manifest.config.digest === digest)?.image;
  if (found === undefined) throw notFound(text);
  return found;
}

/** An image by its tag, or by the bare digest of its manifest. @throws as `openByManifest` */
export function openByBareDigest(repository: Repository, text: string): OciImage {
  if (!text.startsWith('@') && DIGEST.test(text)) return openOciImage(repository, `@${text}`);
  return openByTag(repository, text);
}

function notFound(name: string): NotFoundError {
  return new NotFoundError('IMAGE_NOT_FOUND', `OCI reference not found: ${name}`, { name });
}

/** The image of the operands; a stream id beside its name must be that of its config. */
export function openConfigured({ given }: Setting, repository: Repository): OciImage {
  const image = openByConfig(repository, given.operand(0));
  const expected = given.operands[1];
  if (expected === undefined || expected === image.configStreamId) return image;
  throw new IntegrityError(
    'OBJECT_DIGEST_MISMATCH',
    `Cannot open config ${image.manifest.config.digest}: expected stream ${expected}, found ${image.configStreamId}`,
    { expected, found: image.configStreamId },
  );
}
