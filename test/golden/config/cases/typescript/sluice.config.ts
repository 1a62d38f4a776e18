import { port } from './port.ts';

class Limit {}

export default {
  version: 1,
  listen: [`127.0.0.1:${port}`],
  workers: () => 4,
  upstreams: { users: 'http://127.0.0.1:4001', orders: { targets: 'http://127.0.0.1:4002', timeout: 5 } },
  routes: {
    'GET /users/{id}': { to: 'users', limits: { caller: new Limit() }, tiemout: '5s' },
    'GET /team': { to: '${env:TEAM}' },
  },
};
