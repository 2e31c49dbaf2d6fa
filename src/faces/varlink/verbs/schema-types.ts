import {
  FIELD_NAME,
  type VarlinkField,
  type VarlinkStruct,
  type VarlinkType,
} from '#formats/varlink';

/** The members read from a valibot schema, which describes requests and reports of verbs. */
export interface Schema {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Schema>>;
  readonly item?: Schema;
  readonly wrapped?: Schema;
  readonly value?: Schema;
  readonly options?: readonly unknown[];
  readonly literal?: unknown;
  /** The schema itself, then the actions on its value. */
  readonly pipe?: readonly { readonly type: string }[];
}

const OBJECT: VarlinkType = { kind: 'object' };

/**
 * The type of a schema. Varlink has no unions: a union of objects becomes an object with the fields of all, where fields that some of them lack
 * are optional; any other union becomes `object`.
 */
export function typeOf(schema: Schema): VarlinkType {
  switch (schema.type) {
    case 'string':
      return { kind: 'string' };
    case 'boolean':
      return { kind: 'bool' };
    case 'number':
      return { kind: schema.pipe?.some(({ type }) => type === 'integer') ? 'int' : 'float' };
    case 'object':
    case 'strict_object':
    case 'loose_object':
      return { kind: 'struct', fields: fieldsOf(schema.entries ?? {}) };
    case 'array':
      return { kind: 'array', of: inside(schema.item) };
    case 'record':
      return { kind: 'map', of: inside(schema.value) };
    case 'optional':
    case 'nullable':
    case 'nullish':
      return optional(inside(schema.wrapped));
    case 'literal':
      return typeOfValue(schema.literal);
    case 'picklist':
      return typeOfList(schema.options ?? []);
    case 'union':
    case 'variant':
      return unionOf((schema.options ?? []).map((option) => typeOf(option as Schema)));
    default:
      return OBJECT;
  }
}

/** The fields of an object. */
export function structOf(schema: Schema): VarlinkStruct {
  const type = typeOf(schema);
  return type.kind === 'struct' ? type : { kind: 'struct', fields: [] };
}

function inside(schema: Schema | undefined): VarlinkType {
  return schema === undefined ? OBJECT : typeOf(schema);
}

function fieldsOf(entries: Readonly<Record<string, Schema>>): VarlinkField[] {
  return Object.entries(entries).map(([name, schema]) => ({ name, type: typeOf(schema) }));
}

/** A type whose value may be missing. */
export function optional(type: VarlinkType): VarlinkType {
  return type.kind === 'optional' ? type : { kind: 'optional', of: type };
}

function typeOfValue(value: unknown): VarlinkType {
  if (typeof value === 'boolean') return { kind: 'bool' };
  if (typeof value === 'number') return { kind: Number.isInteger(value) ? 'int' : 'float' };
  return typeof value === 'string' ? { kind: 'string' } : OBJECT;
}

/** A choice of words is an enum if varlink allows all of its words. */
function typeOfList(values: readonly unknown[]): VarlinkType {
  const isWord = (value: unknown): value is string =>
    typeof value === 'string' && FIELD_NAME.test(value);
  return values.every(isWord) ? { kind: 'enum', values } : typeOfValue(values[0]);
}

function unionOf(types: readonly VarlinkType[]): VarlinkType {
  const [first] = types;
  if (first === undefined) return OBJECT;
  if (types.every((type) => isSame(type, first))) return first;
  const isWords = ({ kind }: VarlinkType) => kind === 'string' || kind === 'enum';
  if (types.every(isWords)) return { kind: 'string' };
  const structs = types.filter((type): type is VarlinkStruct => type.kind === 'struct');
  return structs.length === types.length ? mergeStructs(structs) : OBJECT;
}

function mergeStructs(structs: readonly VarlinkStruct[]): VarlinkStruct {
  const names = new Set(structs.flatMap(({ fields }) => fields.map(({ name }) => name)));
  const fields = [...names].map((name) => {
    const found = structs.flatMap((struct) => struct.fields.filter((field) => field.name === name));
    const plain = found.map(({ type }) => (type.kind === 'optional' ? type.of : type));
    const type = unionOf(plain);
    const isAlways =
      found.length === structs.length && found.every((field) => field.type.kind !== 'optional');
    return { name, type: isAlways ? type : optional(type) };
  });
  return { kind: 'struct', fields };
}

function isSame(a: VarlinkType, b: VarlinkType): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
