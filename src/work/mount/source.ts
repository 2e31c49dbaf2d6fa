import type { ObjectId } from '#base/digest';

/** What mounts of images call their source, before the image's name. Source: composefs core spec 8.1. */
export const SOURCE_PREFIX = 'composefs:';

const NAME_AND_ID = /^(.*)@([0-9a-f]{64}|[0-9a-f]{128})$/s;
const ID = /^(?:[0-9a-f]{64}|[0-9a-f]{128})$/;

/** The source that our mounts show: the name that was given, and what it meant, so that a collection of garbage knows what is mounted. */
export function sourceOf(id: ObjectId, name: string | undefined): string {
  return `${SOURCE_PREFIX}${name === undefined || name === id ? id : `${name}@${id}`}`;
}

/** Name and id in a source without its prefix; the id is undefined where another tool mounted a name. */
export function parseSource(text: string): {
  readonly name: string;
  readonly id: ObjectId | undefined;
} {
  const [, name, id] = NAME_AND_ID.exec(text) ?? [];
  if (name !== undefined && name !== '') return { name, id: id as ObjectId };
  return { name: text, id: ID.test(text) ? (text as ObjectId) : undefined };
}
