/**
 * What users' own files import from `sluice-gateway`: configurations, policies and handlers in TypeScript. Zod comes along,
 * so that a schema is made by the copy that checks it.
 */
export { z } from 'zod';
export { clientError, errors, type GatewayError } from './base/gateway-error.ts';
export { type FieldName, fieldName, HeaderBlock } from './base/headers.ts';
export { jsonString } from './base/json-text.ts';
export { defineConfig } from './config/define.ts';
export {
  type BodySink,
  type BodySource,
  Chunk,
  type Dispatch,
  ResponseHead,
  type Sink,
  UpstreamCall,
} from './plan/call.ts';
export type { Condition } from './plan/condition.ts';
export type { Exchange, Identity, Peer, Slot } from './plan/exchange.ts';
export {
  duration,
  headerName,
  listOf,
  mapOf,
  namedMap,
  network,
  orTrue,
  percent,
  rate,
  secret,
  size,
} from './plan/fields.ts';
export {
  defineHandler,
  type ExchangeFacts,
  type Handler,
  type HandlerContext,
  type HandlerUpstream,
  UpstreamError,
} from './plan/handler.ts';
export {
  type BodyNeed,
  type BodyTaker,
  type CompileEnv,
  definePolicy,
  type Example,
  type Fact,
  type Hooks,
  type LogSink,
  type Maybe,
  type Placement,
  type PolicyModule,
  type Reference,
} from './plan/policy.ts';
export { Reply } from './plan/reply.ts';
export { refuseOrReport } from './plan/report.ts';
export type { Template, TemplatePlace } from './plan/template.ts';
