/** A type of a description. `named` is resolved inside the same interface. */
export type VarlinkType =
  | { readonly kind: 'bool' | 'int' | 'float' | 'string' | 'object' }
  | { readonly kind: 'named'; readonly name: string }
  | { readonly kind: 'optional' | 'array' | 'map'; readonly of: VarlinkType }
  | { readonly kind: 'struct'; readonly fields: readonly VarlinkField[] }
  | { readonly kind: 'enum'; readonly values: readonly string[] };

/** A field of a struct. */
export interface VarlinkField {
  readonly name: string;
  readonly type: VarlinkType;
}

/** The parameters of a method or an error. */
export type VarlinkStruct = Extract<VarlinkType, { kind: 'struct' }>;

/** A member of an interface, with the comment above it. */
export type VarlinkMember = {
  readonly name: string;
  /** Lines without the comment sign. */
  readonly comment: readonly string[];
} & (
  | { readonly kind: 'type'; readonly type: VarlinkType }
  | { readonly kind: 'method'; readonly input: VarlinkStruct; readonly output: VarlinkStruct }
  | { readonly kind: 'error'; readonly parameters: VarlinkStruct }
);

/** A described interface; members in the order of the text. */
export interface VarlinkInterface {
  readonly name: string;
  readonly comment: readonly string[];
  readonly members: readonly VarlinkMember[];
}

const LINE_LENGTH = 100;

/** The text of an interface. */
export function printInterface(described: VarlinkInterface): string {
  const members = described.members.map((member) => {
    return `${commentOf(member.comment)}${declaration(member)}\n`;
  });
  return [`${commentOf(described.comment)}interface ${described.name}\n`, ...members].join('\n');
}

function commentOf(lines: readonly string[]): string {
  return lines.map((line) => (line === '' ? '#\n' : `# ${line}\n`)).join('');
}

function declaration(member: VarlinkMember): string {
  const { kind, name } = member;
  if (kind === 'type') return `type ${name} ${printType(member.type)}`;
  if (kind === 'error') return `error ${name} ${printType(member.parameters)}`;
  return `method ${name}${printType(member.input)} -> ${printType(member.output)}`;
}

/** The text of a type; a struct that is too long for one line has one line for each field. */
function printType(type: VarlinkType, depth = 0): string {
  switch (type.kind) {
    case 'named':
      return type.name;
    case 'optional':
      return `?${printType(type.of, depth)}`;
    case 'array':
      return `[]${printType(type.of, depth)}`;
    case 'map':
      return `[string]${printType(type.of, depth)}`;
    case 'struct':
      return inLines(
        type.fields.map((field) => `${field.name}: ${printType(field.type, depth + 1)}`),
        depth,
      );
    case 'enum':
      return inLines(type.values, depth);
    default:
      return type.kind;
  }
}

function inLines(parts: readonly string[], depth: number): string {
  const line = `(${parts.join(', ')})`;
  if (line.length <= LINE_LENGTH && !line.includes('\n')) return line;
  const indent = '  '.repeat(depth + 1);
  return `(\n${parts.map((part) => `${indent}${part}`).join(',\n')}\n${'  '.repeat(depth)})`;
}
