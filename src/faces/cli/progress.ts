import { writeSync } from 'node:fs';
import type { ProgressEvent, ProgressListener } from '#base/flow';
import { formatSize } from './units.ts';

/** How progress is shown; `auto` is bars on a terminal and lines elsewhere. */
export type ProgressMode = 'auto' | 'plain' | 'json' | 'none';

/** A renderer of progress; `stop` clears what must not stay on the screen. */
export interface ProgressRenderer {
  readonly listen: ProgressListener;
  stop(): void;
}

interface Component {
  unit: 'bytes' | 'items';
  total: number | undefined;
  done: number;
}

const SILENT: ProgressRenderer = { listen: () => {}, stop: () => {} };

/** Chooses the renderer. With `fd` the events also go there as JSON lines, whatever the mode. */
export async function createProgress(
  mode: ProgressMode,
  fd: number | undefined,
): Promise<ProgressRenderer> {
  const shown = await createShown(mode);
  if (fd === undefined) return shown;
  return {
    listen(event) {
      writeJson(fd, event);
      shown.listen(event);
    },
    stop: shown.stop,
  };
}

async function createShown(mode: ProgressMode): Promise<ProgressRenderer> {
  if (mode === 'none') return SILENT;
  if (mode === 'json') return { listen: (event) => writeJson(2, event), stop: () => {} };
  return mode === 'auto' && process.stderr.isTTY ? createBars() : createLines();
}

function writeJson(fd: number, event: ProgressEvent): void {
  writeSync(fd, `${JSON.stringify(event)}\n`);
}

function shortId(id: string): string {
  return id.replace(/^(sha\d+:[0-9a-f]{12})[0-9a-f]+$/, '$1');
}

function amount(component: Component, value: number): string {
  return component.unit === 'bytes' ? formatSize(value) : `${value}`;
}

/** Lines on stderr: one when a component ends or is skipped, and the notes. */
function createLines(): ProgressRenderer {
  const components = new Map<string, Component>();
  const say = (text: string) => process.stderr.write(`${text}\n`);
  return {
    listen(event) {
      if (event.type === 'started') {
        components.set(event.id, { unit: event.unit, total: event.total, done: 0 });
      } else if (event.type === 'done') {
        const component = components.get(event.id) ?? { unit: 'items', total: undefined, done: 0 };
        say(`${shortId(event.id)}: done, ${amount(component, event.transferred)}`);
      } else if (event.type === 'skipped') say(`${shortId(event.id)}: already present`);
      else if (event.type === 'note') say(event.text);
    },
    stop() {},
  };
}

/** Bars on a terminal; a component that is done stays as a line. */
async function createBars(): Promise<ProgressRenderer> {
  const { MultiBar, Presets } = await import('cli-progress');
  const bars = new MultiBar(
    {
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      format: '{bar} {percentage}% {amount} {id}',
      barsize: 30,
      fps: 8,
    },
    Presets.shades_grey,
  );
  const running = new Map<string, { bar: ReturnType<typeof bars.create>; component: Component }>();
  const show = (id: string) => {
    const entry = running.get(id);
    if (entry === undefined) return;
    const { bar, component } = entry;
    const of = component.total === undefined ? '' : `/${amount(component, component.total)}`;
    bar.setTotal(component.total ?? Math.max(1, component.done));
    bar.update(component.done, {
      id: shortId(id),
      amount: `${amount(component, component.done)}${of}`,
    });
  };
  const listen = (event: ProgressEvent): void => {
    if (event.type === 'note') bars.log(`${event.text}\n`);
    else if (event.type === 'skipped') bars.log(`${shortId(event.id)}: already present\n`);
    else if (event.type === 'started') {
      const component = { unit: event.unit, total: event.total, done: 0 };
      const bar = bars.create(event.total ?? 1, 0, { id: shortId(event.id), amount: '' });
      running.set(event.id, { bar, component });
    } else {
      const entry = running.get(event.id);
      if (entry === undefined) return;
      entry.component.done = event.type === 'done' ? event.transferred : event.done;
      if (event.type === 'advanced') entry.component.total = event.total ?? entry.component.total;
      show(event.id);
      if (event.type !== 'done') return;
      bars.remove(entry.bar);
      running.delete(event.id);
    }
  };
  return { listen, stop: () => bars.stop() };
}
