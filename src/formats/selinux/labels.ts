import type { ByteString } from '#base/bytes';
import { POLICY_FILES } from './layout.ts';
import { PatternSet } from './patterns.ts';
import { type InodeType, type PolicyTexts, parseAliases, parseRules, type Rule } from './rules.ts';
import { alternativesOf } from './tails.ts';

/**
 * Looks up the labels of a policy. A walk of a tree starts with `/` and requests the lookup name of each child, which may differ from the child's
 * path. Labels are looked up by that name.
 */
export interface Labeler {
  /** The name by which a child of a directory is looked up; `parent` is the name of the directory. */
  childName(parent: ByteString, child: ByteString): ByteString;
  /** The label, without a NUL at its end; undefined for no label. @throws FormatError SELINUX_POLICY_TOO_COSTLY */
  labelOf(name: ByteString, type: InodeType): string | undefined;
}

/**
 * Which rule wins. `composefs`: the last rule, as in composefs-rs, which determines the ids of synthesized commits. `libselinux`: literal paths
 * first, as on an installed system. They differ in few paths of real policies.
 */
export type Precedence = 'composefs' | 'libselinux';

/** Name of the root directory. */
export const ROOT_NAME = '/' as ByteString;

/** Metacharacters of patterns. Source: libselinux regex.c regex_has_meta_chars. */
const META = new Set('.^$?*+|[({');

/**
 * Reads a policy. Patterns are compiled once; looking up a path costs some microseconds.
 * @throws FormatError SELINUX_POLICY_INVALID, SELINUX_POLICY_TOO_COSTLY
 */
export async function createLabeler(texts: PolicyTexts, precedence: Precedence): Promise<Labeler> {
  return precedence === 'composefs' ? await lastRuleWins(texts) : await literalsFirst(texts);
}

/** Source: unified-storage notes on composefs-rs 0.9 selabel.rs: main, local, homedirs; one map of aliases, applied during the walk. */
async function lastRuleWins(texts: PolicyTexts): Promise<Labeler> {
  const patterns = await PatternSet.compile(rulesOf(texts, ['main', 'local', 'homedirs']));
  const aliases = new Map([...aliasesOf(texts, 'subs'), ...aliasesOf(texts, 'subsDist')]);
  return {
    childName: (parent, child) => {
      const path = join(parent, child);
      return (aliases.get(path) as ByteString | undefined) ?? path;
    },
    labelOf: (name, type) => patterns.lastMatch(name, type)?.label,
  };
}

/** Source: libselinux 3.8 label_file.c: main, homedirs, local; aliases of `subs`, then aliases of `subs_dist`, on whole paths. */
async function literalsFirst(texts: PolicyTexts): Promise<Labeler> {
  const rules = rulesOf(texts, ['main', 'homedirs', 'local']).map((rule) => {
    return { ...rule, pattern: asAnchored(rule.pattern) };
  });
  const patterns = await PatternSet.compile(rules.filter(({ pattern }) => hasMeta(pattern)));
  const literals = new Map<string, Rule>();
  for (const rule of rules) {
    if (hasMeta(rule.pattern)) continue;
    const key = `${rule.type ?? ''}${rule.pattern.replaceAll(/\\([\s\S])/g, '$1')}`;
    if (!literals.has(key)) literals.set(key, rule);
  }
  const [subs, subsDist] = (['subs', 'subsDist'] as const).map((key) =>
    firstOf(aliasesOf(texts, key)),
  );
  return {
    childName: join,
    labelOf: (name, type) => {
      const path = substitute(substitute(name, subs), subsDist);
      const literal = literals.get(`${type}${path}`) ?? literals.get(path);
      return (literal ?? patterns.lastMatch(path, type))?.label;
    },
  };
}

/**
 * libselinux puts `^` before a pattern and `$` behind it, without a group: of several alternatives, the first is anchored at the start only, the
 * last at the end only. All of them need the directories before the first metacharacter. Source: libselinux regex.c, label_file.h.
 */
function asAnchored(pattern: string): string {
  const [first, ...others] = alternativesOf(pattern);
  const last = others.pop();
  if (last === undefined) return pattern;
  const stem = /^(?:[^.^$?*+|[({\\]|\\[\s\S])*\//.exec(pattern)?.[0] ?? '';
  const free = [...others.map((one) => `(?:${one}).*`), `(?:${last})`];
  return `${first}.*|${stem}.*(?:${free.join('|')})`;
}

/** True if a pattern matches more than one path. An escaped letter or digit is a class of characters. */
function hasMeta(pattern: string): boolean {
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern.charAt(at);
    if (META.has(character)) return true;
    if (character !== '\\') continue;
    at += 1;
    if (/[A-Za-z0-9]/.test(pattern.charAt(at))) return true;
  }
  return false;
}

function rulesOf(texts: PolicyTexts, order: readonly ('main' | 'local' | 'homedirs')[]): Rule[] {
  return order.flatMap((key) => parseRules(texts[key] ?? new Uint8Array(0), POLICY_FILES[key]));
}

function aliasesOf(texts: PolicyTexts, key: 'subs' | 'subsDist'): [string, string][] {
  return parseAliases(texts[key], POLICY_FILES[key]);
}

/** An alias and its line number: the first match counts. */
type FirstAliases = ReadonlyMap<string, { readonly line: number; readonly target: string }>;

function firstOf(aliases: readonly (readonly [string, string])[]): FirstAliases {
  return new Map(
    aliases.map(([alias, target], line) => [alias, { line, target }] as const).reverse(),
  );
}

/** Replaces the first alias that equals the path, or is a parent of it. */
function substitute(path: string, aliases: FirstAliases | undefined): string {
  let first: { readonly line: number; readonly target: string; readonly rest: string } | undefined;
  for (let end = path.length; end > 0 && aliases?.size; end = path.lastIndexOf('/', end - 1)) {
    const found = aliases.get(path.slice(0, end));
    if (found === undefined || (first !== undefined && first.line < found.line)) continue;
    first = { ...found, rest: path.slice(end) };
  }
  if (first === undefined) return path;
  const { target, rest } = first;
  return target === '/' && rest !== '' ? rest : target + rest;
}

function join(parent: ByteString, child: ByteString): ByteString {
  return (parent === ROOT_NAME ? `/${child}` : `${parent}/${child}`) as ByteString;
}
