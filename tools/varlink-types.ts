/** Writes the types of the methods of composefs-rs for clients, from the descriptions of the interfaces. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { OCI, REPOSITORY } from '../src/faces/cfsctl/varlink/descriptions.ts';
import { parseInterface, type VarlinkType } from '../src/formats/varlink/index.ts';

/** The file of the types. */
export const METHODS_FILE = new URL('./methods.ts', import.meta.resolve('#work/varlink-client'));

const BIOME = fileURLToPath(new URL('../node_modules/.bin/biome', import.meta.url));

const HEAD = `/**
 * The methods of the varlink interfaces of composefs-rs 0.9.4, by their whole names. Declare more methods by merging with this interface. Written
 * by \`npm run docs\`.
 */
export interface VarlinkMethods {
`;

/** The text of the types. */
export function varlinkTypes(): string {
  const lines = [REPOSITORY, OCI].flatMap((text) => {
    const { name, members } = parseInterface(text);
    return members.flatMap((member) => {
      if (member.kind !== 'method') return [];
      const comment = member.comment.join(' ');
      return [
        `  /** ${comment} */`,
        `  readonly '${name}.${member.name}': {`,
        `    readonly input: ${typeText(member.input, 2)};`,
        `    readonly output: ${typeText(member.output, 2)};`,
        '  };',
      ];
    });
  });
  return `${HEAD}${lines.join('\n')}\n}\n`;
}

/** Optional members may be left out, or null. */
function typeText(type: VarlinkType, depth: number): string {
  switch (type.kind) {
    case 'bool':
      return 'boolean';
    case 'int':
    case 'float':
      return 'number';
    case 'string':
      return 'string';
    case 'object':
      return 'unknown';
    case 'enum':
      return type.values.map((value) => `'${value}'`).join(' | ');
    case 'optional':
      return `${typeText(type.of, depth)} | null`;
    case 'array': {
      const item = typeText(type.of, depth);
      return type.of.kind !== 'enum' && type.of.kind !== 'optional'
        ? `readonly ${item}[]`
        : `readonly (${item})[]`;
    }
    case 'map':
      return `Readonly<Record<string, ${typeText(type.of, depth)}>>`;
    case 'named':
      throw new TypeError(`no type is named in these interfaces, found ${type.name}`);
    case 'struct': {
      if (type.fields.length === 0) return 'Readonly<Record<string, never>>';
      const indent = '  '.repeat(depth);
      const fields = type.fields.map(({ name, type: of }) => {
        const mark = of.kind === 'optional' ? '?' : '';
        const more = mark === '' ? '' : ' | undefined';
        return `${indent}  readonly ${name}${mark}: ${typeText(of, depth + 1)}${more};`;
      });
      return `{\n${fields.join('\n')}\n${indent}}`;
    }
  }
}

/** Writes the file of the types, formatted as the linter wants it. */
export function writeVarlinkTypes(): void {
  writeFileSync(METHODS_FILE, varlinkTypes());
  const { status, stderr } = spawnSync(BIOME, ['format', '--write', fileURLToPath(METHODS_FILE)], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`biome could not format the types: ${stderr}`);
}

if (import.meta.main) writeVarlinkTypes();
