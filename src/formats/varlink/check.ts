import type { VarlinkInterface, VarlinkType } from './interface.ts';
import { TYPE_DEPTH_MAX } from './layout.ts';

/**
 * The path of the first part of a value that does not match its type, for example `options.overlay`; undefined for a valid value. Members that
 * the type does not have are ignored. A number must be exact in JavaScript.
 */
export function findMistake(
  value: unknown,
  type: VarlinkType,
  types: ReadonlyMap<string, VarlinkType>,
  path = '',
  depth = 0,
): string | undefined {
  if (depth > TYPE_DEPTH_MAX) return path;
  const inside = (part: unknown, of: VarlinkType, key: string) =>
    findMistake(part, of, types, path === '' ? key : `${path}.${key}`, depth + 1);
  switch (type.kind) {
    case 'optional':
      return value === undefined || value === null
        ? undefined
        : findMistake(value, type.of, types, path, depth + 1);
    case 'named': {
      const named = types.get(type.name);
      return named === undefined ? path : findMistake(value, named, types, path, depth + 1);
    }
    case 'array':
      return Array.isArray(value)
        ? first(value.entries(), ([at, part]) => inside(part, type.of, String(at)))
        : path;
    case 'map':
      return isObject(value)
        ? first(Object.entries(value), ([key, part]) => inside(part, type.of, key))
        : path;
    case 'struct':
      return isObject(value)
        ? first(type.fields, ({ name, type: of }) => inside(value[name], of, name))
        : path;
    case 'enum':
      return typeof value === 'string' && type.values.includes(value) ? undefined : path;
    case 'object':
      return value === undefined || value === null ? path : undefined;
    default:
      return isBasic(value, type.kind) ? undefined : path;
  }
}

function isBasic(value: unknown, kind: 'bool' | 'int' | 'float' | 'string'): boolean {
  if (kind === 'bool') return typeof value === 'boolean';
  if (kind === 'string') return typeof value === 'string';
  return kind === 'int' ? Number.isSafeInteger(value) : typeof value === 'number';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function first<T>(parts: Iterable<T>, find: (part: T) => string | undefined): string | undefined {
  for (const part of parts) {
    const found = find(part);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The declared types of an interface, by name. */
export function typesOf({ members }: VarlinkInterface): ReadonlyMap<string, VarlinkType> {
  return new Map(
    members.flatMap((member) => (member.kind === 'type' ? [[member.name, member.type]] : [])),
  );
}
