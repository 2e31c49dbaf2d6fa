import type { ObjectId } from '#base/digest';

/** Prefix of the source of mounted images, before the name of the image. Source: composefs core spec 8.1. */
export const SOURCE_PREFIX = 'composefs:';

const NAME_AND_ID = /^(.*)@([0-9a-f]{64}|[0-9a-f]{128})$/s;
const ID = /^(?:[0-9a-f]{64}|[0-9a-f]{128})$/;

/** The source of mounts of onecopy: the given name and its image id, so that garbage collection can identify mounted images. */
export function sourceOf(id: ObjectId, name: string | undefined): string {
  return `${SOURCE_PREFIX}${name === undefined || name === id ? id : `${name}@${id}`}`;
}

/** Name and id in a source without its prefix; the id is undefined if another tool mounted the image by name. */
export function parseSource(text: string): {
  readonly name: string;
  readonly id: ObjectId | undefined;
} {
  const [, name, id] = NAME_AND_ID.exec(text) ?? [];
  if (name !== undefined && name !== '') return { name, id: id as ObjectId };
  return { name: text, id: ID.test(text) ? (text as ObjectId) : undefined };
}
