// Nodes fail: node a goes away, its clients join node b, and the count of saved edits goes on.
import React from 'react';
import {
  AbsoluteFill,
  Easing,
  interpolate,
  interpolateColors,
  spring,
  useCurrentFrame,
  useVideoConfig,
} from 'remotion';

const C = {
  ink: '#0c0f16',
  panel: '#151a25',
  raised: '#1d2432',
  line: '#303a4e',
  muted: '#8f99ad',
  bone: '#f6f2e9',
  coral: '#ff7a66',
  sky: '#5cbcff',
  violet: '#ae98ff',
  amber: '#ffc155',
  mint: '#62e2a6',
};
const SANS = 'Inter, "SF Pro Display", "Segoe UI", "Helvetica Neue", Arial, sans-serif';
const CLAMP = { extrapolateLeft: 'clamp', extrapolateRight: 'clamp' } as const;
const STEP = 240; // two cells of the dot grid: it fits itself where one scene meets the next

const tween = (frame: number, from: number, to: number, easing = Easing.inOut(Easing.cubic)) =>
  interpolate(frame, [from, to], [0, 1], { ...CLAMP, easing });

/** Where the camera is: from 1 (arriving from the right) to 0 (here) to -1 (gone to the left). */
const camera = (frame: number, length: number, delay = 0) =>
  1 - tween(frame, delay, delay + 18, Easing.out(Easing.cubic)) -
  tween(frame, length - 18, length, Easing.in(Easing.cubic));
/** Opacity on the way: nothing is left of a scene on its last frame, however bright it was. */
const seen = (at: number) => Math.max(0, 1 - 1.19 * Math.abs(at));

/** Style of a thing that rides with the camera; a larger depth moves it further. */
const ride = (frame: number, length: number, delay = 0, depth = 1): React.CSSProperties => {
  const at = camera(frame, length, delay);
  return { opacity: seen(at), transform: `translateX(${at * STEP * depth}px)` };
};

const Backdrop: React.FC<{ glow: string; at: number; focus?: string; lit?: number }> = (
  { glow, at, focus = '68% 58%', lit = 1 },
) => (
  <AbsoluteFill style={{ backgroundColor: C.ink }}>
    <AbsoluteFill
      style={{
        backgroundImage: 'radial-gradient(circle, rgba(246,242,233,0.13) 2px, transparent 2.6px)',
        backgroundSize: '120px 120px',
        backgroundPosition: `${at * STEP}px 0`,
      }}
    />
    <AbsoluteFill
      style={{
        opacity: lit * seen(at),
        background: `radial-gradient(1100px 760px at ${focus}, ${glow}26, transparent 70%)`,
      }}
    />
  </AbsoluteFill>
);

const Mark: React.FC<{ opacity?: number }> = ({ opacity = 1 }) => (
  <div style={{ position: 'absolute', left: 120, top: 76, display: 'flex', alignItems: 'center', gap: 14, opacity }}>
    <svg width={34} height={34} viewBox='-50 -50 100 100'>
      <path d='M-12 -20 L22 0 L-12 20 Z' fill={C.bone} />
      {[C.coral, C.sky, C.violet].map((color, i) => (
        <circle key={color} r={11} cx={39 * Math.sin(i * 2.0944)} cy={-39 * Math.cos(i * 2.0944)} fill={color} />
      ))}
    </svg>
    <span style={{ font: `600 26px ${SANS}`, color: C.bone, letterSpacing: '-0.01em' }}>Scenehub</span>
  </div>
);

/** Each word rises out of its own line. */
const Headline: React.FC<{ text: string; frame: number; size?: number }> = ({ text, frame, size = 84 }) => {
  let nth = 0;
  return (
    <div style={{ font: `700 ${size}px/1.06 ${SANS}`, letterSpacing: '-0.035em', color: C.bone }}>
      {text.split('\n').map((line, row) => (
        <div key={row}>
          {line.split(' ').map((word, i) => (
            <span
              key={i}
              style={{
                display: 'inline-block',
                overflow: 'hidden',
                padding: '0 0.24em 0.16em 0',
                marginBottom: '-0.16em',
              }}
            >
              <span
                style={{
                  display: 'inline-block',
                  transform: `translateY(${
                    (1 - tween(frame, nth * 2.5, nth++ * 2.5 + 18, Easing.out(Easing.exp))) * 120
                  }%)`,
                }}
              >
                {word}
              </span>
            </span>
          ))}
        </div>
      ))}
    </div>
  );
};

type Props = {
  headline?: string;
  sub?: string;
  nodes?: [string, string];
  saved?: number;
  failAt?: number;
  accent?: string;
};

type Point = { x: number; y: number };
const CLIENTS: Point[] = [250, 415, 580, 745, 910].map((y) => ({ x: 860, y }));
const NODES: Point[] = [{ x: 1240, y: 390 }, { x: 1240, y: 770 }];
const STORE: Point = { x: 1650, y: 580 };
const COLORS = [C.coral, C.sky, C.violet, C.amber, C.mint];
const between = (a: Point, b: Point, at: number): Point => ({ x: a.x + (b.x - a.x) * at, y: a.y + (b.y - a.y) * at });

const Wire: React.FC<{ from: Point; to: Point; drawn: number; color?: string }> = (
  { from, to, drawn, color = C.line },
) => {
  const end = between(from, to, drawn);
  return drawn <= 0
    ? null
    : <line x1={from.x} y1={from.y} x2={end.x} y2={end.y} stroke={color} strokeWidth={4} strokeLinecap='round' />;
};

/** An edit under way: amber to its node, mint once it is stored. */
const Packet: React.FC<{ path: [Point, Point, Point]; at: number }> = ({ path, at }) => {
  const place = at < 0.5 ? between(path[0], path[1], at * 2) : between(path[1], path[2], at * 2 - 1);
  return (
    <circle
      cx={place.x}
      cy={place.y}
      r={11}
      fill={at < 0.5 ? C.amber : C.mint}
      opacity={Math.min(1, at * 10, (1 - at) * 10)}
    />
  );
};

const TRIP = 28; // frames an edit takes from its client to the store
const MOVERS = 3; // the first three clients start at node a
const startOf = (i: number) => 24 + i * 2;
const againAt = (i: number, failAt: number) => failAt + 8 + i * 4;

/** How many edits of a client were stored by a frame: what the packets show, counted. */
const arrivals = (frame: number, i: number, failAt: number) => {
  const trips = (from: number, to: number) =>
    Math.max(0, Math.floor((to + i * 11) / TRIP) - Math.floor((from + i * 11) / TRIP));
  if (i >= MOVERS) return trips(startOf(i), frame);
  return trips(startOf(i), Math.min(frame, failAt - 1)) + trips(againAt(i, failAt) + 12, frame);
};

const Client: React.FC<{ i: number; failAt: number }> = ({ i, failAt }) => {
  const frame = useCurrentFrame();
  const home = CLIENTS[i] ?? STORE;
  const moves = i < MOVERS;
  const again = againAt(i, failAt);
  const [nodeA = STORE, nodeB = STORE] = NODES;
  const drawn = tween(frame, 8 + i * 2, 24 + i * 2, Easing.out(Easing.cubic));
  const cut = 1 - tween(frame, failAt, failAt + 6, Easing.out(Easing.cubic));
  const rejoin = tween(frame, again, again + 12, Easing.out(Easing.cubic));
  const pulse = spring({ frame: frame - again - 8, fps: 30, config: { damping: 10 } });
  const phase = ((frame + i * 11) % TRIP) / TRIP;
  const live = frame > startOf(i) && (!moves || frame < failAt || frame > again + 12);
  const node = moves && frame < failAt ? nodeA : nodeB;
  return (
    <>
      <Wire from={home} to={moves ? nodeA : nodeB} drawn={drawn * (moves ? cut : 1)} />
      {moves ? <Wire from={home} to={nodeB} drawn={rejoin} color={C.mint} /> : null}
      {live ? <Packet path={[home, node, STORE]} at={phase} /> : null}
      <circle
        cx={home.x}
        cy={home.y}
        r={34 * drawn * (moves ? 1 + 0.12 * Math.sin(Math.PI * Math.min(1, pulse)) : 1)}
        fill={COLORS[i % 5]}
      />
    </>
  );
};

const Node: React.FC<{ at: Point; name: string; gone: number; from: number }> = ({ at, name, gone, from }) => {
  const frame = useCurrentFrame();
  const pop = tween(frame, from, from + 18, Easing.out(Easing.back(1.4)));
  const shake = gone > 0 && gone < 1 ? Math.sin(frame * 3.2) * 7 * (1 - gone) : 0;
  const colour = interpolateColors(gone, [0, 1], [C.bone, C.muted]);
  return (
    <g transform={`translate(${at.x + shake} ${at.y}) scale(${pop})`}>
      <rect
        x={-112}
        y={-70}
        width={224}
        height={140}
        rx={26}
        fill={interpolateColors(gone, [0, 1], [C.raised, C.ink])}
        stroke={gone > 0 ? C.coral : C.muted}
        strokeWidth={4}
        strokeDasharray={gone > 0 ? '14 12' : undefined}
        opacity={1 - gone * 0.35}
      />
      <text y={gone > 0 ? -4 : 11} textAnchor='middle' fill={colour} style={{ font: `600 34px ${SANS}` }}>{name}</text>
      <text y={36} textAnchor='middle' fill={C.coral} opacity={gone} style={{ font: `600 24px ${SANS}` }}>gone</text>
    </g>
  );
};

const NodesFail: React.FC<Props> = ({
  headline = 'A node dies.\nThe work\ngoes on.',
  sub = 'Clients move to another node by themselves. What was saved stays saved.',
  nodes = ['node a', 'node b'],
  saved = 128,
  failAt = 40,
  accent = C.coral,
}) => {
  const frame = useCurrentFrame();
  const { durationInFrames: length } = useVideoConfig();
  const gone = tween(frame, failAt, failAt + 10, Easing.out(Easing.cubic));
  const count = CLIENTS.reduce((sum, _, i) => sum + arrivals(frame, i, failAt), saved);
  const store = tween(frame, 8, 26, Easing.out(Easing.back(1.4)));
  return (
    <AbsoluteFill>
      <Backdrop glow={accent} at={camera(frame, length)} />
      <Mark />
      <div style={{ position: 'absolute', left: 120, top: 330, ...ride(frame, length, -18, 0.7) }}>
        <Headline text={headline} frame={frame} />
        <p
          style={{
            font: `400 32px/1.45 ${SANS}`,
            color: C.muted,
            width: 500,
            marginTop: 36,
            opacity: tween(frame, 16, 32),
          }}
        >
          {sub}
        </p>
      </div>
      <svg width={1920} height={1080} style={{ position: 'absolute', ...ride(frame, length, -18, 1.3) }}>
        {NODES.map((node, i) => (
          <Wire key={i} from={node} to={STORE} drawn={tween(frame, 12, 28) * (i === 0 ? 1 - gone : 1)} />
        ))}
        {CLIENTS.map((_, i) => <Client key={i} i={i} failAt={failAt} />)}
        {NODES.map((node, i) => (
          <Node key={i} at={node} name={nodes[i] ?? ''} gone={i === 0 ? gone : 0} from={4 + i * 4} />
        ))}
        <g transform={`translate(${STORE.x} ${STORE.y}) scale(${store})`}>
          <path d='M-110 -80 V80 A110 34 0 0 0 110 80 V-80' fill={C.raised} stroke={C.mint} strokeWidth={4} />
          <ellipse cy={-80} rx={110} ry={34} fill={C.panel} stroke={C.mint} strokeWidth={4} />
          <text
            y={32}
            textAnchor='middle'
            fill={C.bone}
            style={{ font: `700 60px ${SANS}`, fontVariantNumeric: 'tabular-nums' }}
          >
            {count}
          </text>
          <text y={72} textAnchor='middle' fill={C.mint} style={{ font: `600 24px ${SANS}` }}>saved</text>
        </g>
      </svg>
    </AbsoluteFill>
  );
};

export default NodesFail;
