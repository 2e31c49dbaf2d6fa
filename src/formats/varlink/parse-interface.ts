import { FormatError } from '#base/errors';
import type {
  VarlinkField,
  VarlinkInterface,
  VarlinkMember,
  VarlinkStruct,
  VarlinkType,
} from './interface.ts';
import {
  DESCRIPTION_BYTES_MAX,
  FIELD_NAME,
  INTERFACE_NAME,
  MEMBER_NAME,
  TYPE_DEPTH_MAX,
} from './layout.ts';

const WHAT = 'varlink interface';
const BASIC: readonly string[] = ['bool', 'int', 'float', 'string', 'object'];
/** White space, a comment, an arrow, a punctuation mark, or a word; with the flag `y`, at the current position. */
const TOKEN = /([ \t\r\n\u2028\u2029]+)|#([^\r\n\u2028\u2029]*)|(->|[()[\],:?])|([A-Za-z0-9_.-]+)/y;

interface Token {
  readonly text: string;
  readonly offset: number;
  /** Comments between the previous token and this one. */
  readonly comment: readonly string[];
}

/**
 * Parses the description of an interface. Every named type must be declared, and no member or field may be declared twice.
 * @throws FormatError VARLINK_INTERFACE_INVALID
 */
export function parseInterface(text: string): VarlinkInterface {
  if (text.length > DESCRIPTION_BYTES_MAX) throw invalid(0, 'it is too long');
  return new Parser(tokensOf(text)).parse();
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let comment: string[] = [];
  for (let offset = 0; offset < text.length; offset = TOKEN.lastIndex) {
    TOKEN.lastIndex = offset;
    const match = TOKEN.exec(text);
    if (match === null) throw invalid(offset, `"${text[offset]}" has no meaning`);
    const [, , remark, mark, word] = match;
    if (remark !== undefined) comment.push(remark.replace(/^ /, '').trimEnd());
    const token = mark ?? word;
    if (token === undefined) continue;
    tokens.push({ text: token, offset, comment });
    comment = [];
  }
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  readonly #named: { readonly name: string; readonly offset: number }[] = [];

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): VarlinkInterface {
    const { comment } = this.#expect('interface');
    const name = this.#word(INTERFACE_NAME, 'the name of an interface');
    const members: VarlinkMember[] = [];
    while (this.#at < this.#tokens.length) members.push(this.#member());
    refuseTwins(members.map((member) => member.name));
    const types = new Set(members.filter(({ kind }) => kind === 'type').map((one) => one.name));
    for (const used of this.#named) {
      if (!types.has(used.name)) throw invalid(used.offset, `type ${used.name} is not declared`);
    }
    return { name, comment, members };
  }

  #member(): VarlinkMember {
    const { text: kind, comment, offset } = this.#next();
    if (kind !== 'type' && kind !== 'method' && kind !== 'error') {
      throw invalid(offset, `expected type, method or error, found "${kind}"`);
    }
    const name = this.#word(MEMBER_NAME, 'the name of a member');
    if (kind === 'type') return { kind, name, comment, type: this.#composite() };
    if (kind === 'error') return { kind, name, comment, parameters: this.#struct() };
    const input = this.#struct();
    this.#expect('->');
    return { kind, name, comment, input, output: this.#struct() };
  }

  #struct(): VarlinkStruct {
    const { offset } = this.#peek();
    const type = this.#composite();
    if (type.kind !== 'struct') throw invalid(offset, 'expected a struct, found an enum');
    return type;
  }

  /** A struct or an enum: both are lists in parentheses, and the first colon decides. */
  #composite(): VarlinkType {
    this.#enter();
    this.#expect('(');
    const names: string[] = [];
    const fields: VarlinkField[] = [];
    while (!this.#take(')')) {
      if (names.length > 0) this.#expect(',');
      const { offset } = this.#peek();
      const name = this.#word(FIELD_NAME, 'the name of a field');
      names.push(name);
      if (this.#take(':')) fields.push({ name, type: this.#type() });
      if (fields.length > 0 && fields.length < names.length) {
        throw invalid(offset, `expected a type for ${name}, found none`);
      }
    }
    refuseTwins(names);
    this.#depth -= 1;
    if (fields.length === 0 && names.length > 0) return { kind: 'enum', values: names };
    return { kind: 'struct', fields };
  }

  #type(): VarlinkType {
    this.#enter();
    const type = this.#typeInside();
    this.#depth -= 1;
    return type;
  }

  #typeInside(): VarlinkType {
    const { text, offset } = this.#peek();
    if (text === '(') return this.#composite();
    this.#next();
    if (text === '?') {
      const of = this.#type();
      if (of.kind === 'optional') throw invalid(offset, 'a type is optional once');
      return { kind: 'optional', of };
    }
    if (text === '[') {
      const isMap = this.#take('string');
      this.#expect(']');
      return { kind: isMap ? 'map' : 'array', of: this.#type() };
    }
    if (BASIC.includes(text)) return { kind: text as 'bool' };
    if (!MEMBER_NAME.test(text)) throw invalid(offset, `expected a type, found "${text}"`);
    this.#named.push({ name: text, offset });
    return { kind: 'named', name: text };
  }

  #enter(): void {
    this.#depth += 1;
    if (this.#depth > TYPE_DEPTH_MAX) throw invalid(this.#peek().offset, 'types nest too deep');
  }

  #word(pattern: RegExp, what: string): string {
    const { text, offset } = this.#next();
    if (!pattern.test(text)) throw invalid(offset, `expected ${what}, found "${text}"`);
    return text;
  }

  #take(text: string): boolean {
    if (this.#tokens[this.#at]?.text !== text) return false;
    this.#at += 1;
    return true;
  }

  #expect(text: string): Token {
    const token = this.#next();
    if (token.text !== text) {
      throw invalid(token.offset, `expected "${text}", found "${token.text}"`);
    }
    return token;
  }

  #peek(): Token {
    const token = this.#tokens[this.#at];
    if (token === undefined) {
      throw invalid(this.#tokens.at(-1)?.offset ?? 0, 'it ends in the middle of a member');
    }
    return token;
  }

  #next(): Token {
    const token = this.#peek();
    this.#at += 1;
    return token;
  }
}

function refuseTwins(names: readonly string[]): void {
  const twin = names.find((name, at) => names.indexOf(name) < at);
  if (twin !== undefined) throw invalid(0, `${twin} is declared twice`);
}

function invalid(offset: number, reason: string): FormatError {
  return new FormatError('VARLINK_INTERFACE_INVALID', `Cannot read a ${WHAT}: ${reason}`, {
    offset,
    what: WHAT,
  });
}
