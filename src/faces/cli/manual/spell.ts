import type { Grammar, OperandGrammar, OptionGrammar } from '../grammar/grammar.ts';
import { longFlagOf } from '../request.ts';

type Request = Readonly<Record<string, unknown>>;

/** Converts a request to a command line: the inverse of `requestOf`. Options stand before the operands. */
export function spellRequest(name: string, grammar: Grammar, request: Request): string {
  const all = grammar.options ?? [];
  // A hidden option may be another spelling of one that is shown.
  const shown = new Set(all.filter(({ isHidden }) => isHidden !== true).map(({ key }) => key));
  const spelled = all.filter(({ key, isHidden }) => isHidden !== true || !shown.has(key));
  const options = spelled.flatMap((option) => spellOption(option, request));
  const operands = (grammar.operands ?? []).flatMap((operand) => spellOperand(operand, request));
  return ['onecopy', name, ...[...options, ...operands].map(quote)].join(' ');
}

function spellOption(option: OptionGrammar, request: Request): string[] {
  const value = request[option.key];
  const flag = longFlagOf(option);
  if (value === undefined) return [];
  if (!option.flags.includes('<')) {
    return value === (option.gives ?? !flag.startsWith('--no-')) ? [flag] : [];
  }
  const { spell = String } = option;
  const isRepeated = Array.isArray(value) && option.spell === undefined;
  return (isRepeated ? value : [value]).map((one) => `${flag}=${spell(one)}`);
}

function spellOperand({ key, spell }: OperandGrammar, request: Request): string[] {
  if (spell !== undefined) return [spell(request)];
  const value = request[key];
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]).map(String);
}

/** A word as a shell reads it. */
function quote(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
