import { resolve } from 'node:path';
import type { Command } from 'commander';
import { stderr } from '#faces/terminal';
import { type GlobalOptions, selectionOf } from './globals.ts';
import type { Interruption } from './interruption.ts';

/** True if a service manager, or a client that starts its service, passed a socket and no words. */
export async function isService(argv: readonly string[]): Promise<boolean> {
  if (argv.length > 0 || process.env['LISTEN_FDS'] === undefined) return false;
  const { isActivated } = await import('#work/sockets');
  return isActivated();
}

/** Adds `varlink`, which serves until a signal, or until the client of a passed connection has gone. */
export function addVarlink(program: Command, version: string, interruption: Interruption): void {
  program
    .command('varlink')
    .description('serve repositories to other programs over varlink')
    .option('--address <path>', 'path of the socket to create')
    .action(async (_given: object, self: Command) => {
      const options = self.optsWithGlobals() as GlobalOptions & { readonly address?: string };
      const { OpenRepositories, serve, verbInterfaces } = await import('#faces/varlink');
      const { upstreamInterfaces } = await import('#faces/cfsctl');
      const requireVerity = options.requireVerity === true;
      const choice = selectionOf(options);
      const fallback = choice.path === undefined ? choice : { path: resolve(choice.path) };
      const repositories = new OpenRepositories({ requireVerity, upgrade: true });
      interruption.listen();
      await serve(
        {
          vendor: 'org.onecopy',
          product: 'onecopy',
          version,
          url: 'man:onecopy-varlink(1)',
          interfaces: [
            ...upstreamInterfaces(repositories),
            ...(await verbInterfaces({ repositories, fallback, requireVerity })),
          ],
        },
        {
          address: options.address?.replace(/^unix:/, ''),
          signal: interruption.signal,
          onFailure: (error) => stderr.write(`onecopy: Cannot answer a client: ${String(error)}\n`),
        },
      );
    });
}
