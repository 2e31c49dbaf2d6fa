import type { OstreeChecksum } from '#base/digest';
import {
  CommitStreamBuilder,
  inflateContent,
  inlineMaxBytes,
  isLinkMode,
  parseFilez,
  walkCommit,
} from '#formats/ostree';
import { initRepository, type Repository } from '#stores/composefs';
import { storeCommit } from '#work/commits';
import { EXPECTED_STREAMS, repositoryOf } from './ostree-streams.ts';
import { makeTempDir } from './temp-dir.ts';

/** A repository in a temporary directory. */
export interface TempRepository extends Disposable {
  readonly repository: Repository;
  /** Of the temporary directory, which may be filled with anything. */
  readonly path: string;
}

/** Creates an insecure repository, sha256 unless told otherwise. */
export async function makeTempRepository(
  algorithm: 'sha256' | 'sha512' = 'sha256',
): Promise<TempRepository> {
  const temp = makeTempDir();
  const { repository } = await initRepository(`${temp.path}/repo`, { algorithm, insecure: true });
  return {
    repository,
    path: temp.path,
    [Symbol.dispose]() {
      repository[Symbol.dispose]();
      temp[Symbol.dispose]();
    },
  };
}

/** Stores a commit of the fixtures, by its key in EXPECTED_STREAMS, as a pull would; returns its id. */
export async function storeFixtureCommit(
  repository: Repository,
  key: string,
  ref?: string,
): Promise<OstreeChecksum> {
  const expected = EXPECTED_STREAMS[key];
  if (expected === undefined) throw new Error(`no fixture ${key}`);
  const files = repositoryOf(key);
  const object = (checksum: string, extension: string): Uint8Array | undefined =>
    files.get(`objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${extension}`)?.bytes;
  const builder = new CommitStreamBuilder();
  for (const { kind, checksum } of walkCommit(expected.commit, object, { verify: true })) {
    if (kind !== 'file') {
      builder.addMetadata(checksum, object(checksum, kind) as Uint8Array);
      continue;
    }
    const { header, rawHeader, payload } = parseFilez(object(checksum, 'filez') as Uint8Array);
    const content = inflateContent(header, payload);
    if (isLinkMode(header.mode) || header.sizeBytes <= inlineMaxBytes(repository.algorithm)) {
      builder.addInlineFile(checksum, rawHeader, content);
    } else {
      const { id } = repository.objects.ensureBytes(content);
      builder.addExternalFile(checksum, rawHeader, id);
    }
  }
  await storeCommit(repository, expected.commit, builder.encode(expected.commit), { ref });
  return expected.commit;
}
