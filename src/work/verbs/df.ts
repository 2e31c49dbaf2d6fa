import * as v from 'valibot';
import { NotFoundError } from '#base/errors';
import { type Account, accountFor, findPlaces, type OwnerUsage, placeOf } from '#work/account';
import { locateRepository } from '#work/repository';
import { count, list, orNull, text, texts } from './schemas.ts';
import { defineVerb } from './verb.ts';

const request = v.strictObject({
  /** Names or ids of the images to report; empty for all. */
  names: texts,
  /** Stores to account for; empty for those of this host. */
  store: texts,
});

const usage = {
  totalBytes: count,
  exclusiveBytes: count,
  sharedBytes: count,
  reclaimableBytes: count,
};

const report = v.object({
  images: list(
    v.object({
      kind: v.picklist([
        'image',
        'commit',
        'erofs',
        'stream',
        'mount',
        'container',
        'unreferenced',
        'records',
      ]),
      store: text,
      names: list(text),
      id: v.nullable(text),
      ...usage,
      sharedWith: list(v.object({ name: text, store: text, sizeBytes: count })),
    }),
  ),
  stores: list(
    v.object({
      kind: v.picklist(['composefs', 'containers-storage', 'ostree']),
      store: text,
      ...usage,
      sharedWith: list(v.object({ store: text, sizeBytes: count })),
      files: count,
      /** What this user may not read. It is not in any other figure. */
      unseen: list(
        v.object({
          what: v.picklist(['files', 'directories']),
          count,
          sizeBytes: count,
          path: text,
        }),
      ),
      problems: list(text),
    }),
  ),
  filesystems: list(
    v.object({
      path: text,
      totalBytes: count,
      usedBytes: count,
      accountedBytes: count,
      /** Upper bound of the accounted bytes that are compressed. */
      encodedBytes: count,
      /** Files that count by their blocks because the filesystem reports no extents. */
      unmappedFiles: count,
    }),
  ),
  accountedBytes: count,
  extents: count,
});
export type DfReport = v.InferOutput<typeof report>;

/** `df`: the bytes on the disk that each image and each store uses, alone and with others. */
export const df = defineVerb({
  request,
  report,
  examples: [
    { request: {}, says: 'Report the disk usage of all stores of this host' },
    { request: { names: ['app'] }, says: 'Report what removing the image app would free' },
    {
      request: { store: ['containers-storage:', 'ostree-local:os-repo'] },
      says: 'Report two stores, and what they share',
    },
  ],
  hasFindings: ({ stores }) =>
    stores.some(({ unseen, problems }) => unseen.length + problems.length > 0),
  async run(context, { names, store }) {
    const { signal, onProgress } = context;
    const places =
      store.length > 0
        ? await Promise.all(store.map(placeOf))
        : await findPlaces(locateRepository(context.repository));
    const account = await accountFor(places, { signal, onProgress });
    return reportOf(account, selected(account.owners, names));
  },
});

function reportOf(account: Account, owners: readonly OwnerUsage[]): DfReport {
  return {
    images: owners.map(({ id, sharedWith, ...row }) => ({
      ...row,
      id: orNull(id),
      sharedWith: sharedWith.map(({ bytes, ...other }) => ({ ...other, sizeBytes: bytes })),
    })),
    stores: account.stores.map(({ sharedWith, unseen, ...row }) => ({
      ...row,
      sharedWith: sharedWith.map(({ bytes, ...other }) => ({ ...other, sizeBytes: bytes })),
      unseen: unseen.map(({ bytes, ...one }) => ({ ...one, sizeBytes: bytes })),
    })),
    filesystems: account.filesystems,
    accountedBytes: account.accountedBytes,
    extents: account.extents,
  };
}

/** Fewest digits of the beginning of an id. */
const ID_DIGITS_MIN = 4;

function selected(owners: readonly OwnerUsage[], names: readonly string[]): readonly OwnerUsage[] {
  if (names.length === 0) return owners;
  const isNamed = (owner: OwnerUsage, name: string) => {
    const digits = (owner.id ?? '').replace(/^sha\d+:/, '');
    const plain = name.replace(/^@?(?:sha\d+:)?/, '');
    return (
      owner.names.includes(name) || (plain.length >= ID_DIGITS_MIN && digits.startsWith(plain))
    );
  };
  for (const name of names) {
    if (owners.some((owner) => isNamed(owner, name))) continue;
    throw new NotFoundError(
      'IMAGE_NOT_FOUND',
      `Cannot find "${name}": none of the stores has an image or a commit of this name or id`,
      { name },
      { hint: 'List all of them with: onecopy df' },
    );
  }
  return owners.filter((owner) => names.some((name) => isNamed(owner, name)));
}
