import {
  type CommandSpec,
  type GroupSpec,
  isGroup,
  type OptionSpec,
  type ProgramSpec,
} from './spec.ts';

/** Column at which the explanations begin. */
const EXPLANATION_COLUMN = 32;

/** The help of a program, a group or a command: usage, then what can follow. The words are ours. */
export function renderHelp<Handler>(
  program: ProgramSpec<Handler>,
  path: readonly string[],
): string {
  let at: CommandSpec<Handler> | GroupSpec<Handler> | ProgramSpec<Handler> = program;
  for (const name of path) {
    const commands: ProgramSpec<Handler>['commands'] = 'commands' in at ? at.commands : [];
    at = commands.find((one) => one.name === name) ?? at;
  }
  const whole = [program.name, ...path].join(' ');
  const head = 'summary' in at ? `${at.summary}\n\n` : '';
  const lines = [`${head}Usage: ${whole}${usageOf(at)}`];
  if ('commands' in at) lines.push('', 'Commands:', ...at.commands.map(lineOfCommand));
  const options = 'options' in at ? (at.options ?? []) : [];
  lines.push(
    '',
    'Options:',
    ...options.filter(({ isHidden }) => isHidden !== true).map(lineOfOption),
  );
  lines.push(row('-h, --help', 'Print help'));
  if (at === program) lines.push(row('-V, --version', 'Print the version'));
  return `${lines.join('\n')}\n`;
}

function usageOf<Handler>(
  at: CommandSpec<Handler> | GroupSpec<Handler> | ProgramSpec<Handler>,
): string {
  if ('commands' in at) return 'options' in at ? ' [OPTIONS] <COMMAND>' : ' <COMMAND>';
  const operands = (at.operands ?? []).map(({ name, isOptional, isRepeatable }) =>
    isRepeatable === true ? ` [${name}]...` : isOptional === true ? ` [${name}]` : ` <${name}>`,
  );
  return `${(at.options ?? []).length > 0 ? ' [OPTIONS]' : ''}${operands.join('')}`;
}

function lineOfCommand<Handler>(command: CommandSpec<Handler> | GroupSpec<Handler>): string {
  return row(isGroup(command) ? `${command.name} …` : command.name, command.summary);
}

function lineOfOption({ name, short, value, choices, summary }: OptionSpec): string {
  const start = short === undefined ? '    ' : `-${short}, `;
  const shown = value === undefined ? '' : ` <${value}>`;
  const allowed = choices === undefined ? '' : ` [${choices.join(', ')}]`;
  return row(`${start}--${name}${shown}`, `${summary}${allowed}`);
}

function row(start: string, explanation: string): string {
  const left = `  ${start}`;
  if (left.length + 2 > EXPLANATION_COLUMN) {
    return `${left}\n${' '.repeat(EXPLANATION_COLUMN)}${explanation}`;
  }
  return left.padEnd(EXPLANATION_COLUMN) + explanation;
}
