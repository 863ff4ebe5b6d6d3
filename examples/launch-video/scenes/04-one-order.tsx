// One order: edits of three members leave their lanes, pass one gate and become numbered rows of one log.
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
const MONO = '"JetBrains Mono", "SF Mono", Menlo, Consolas, "Liberation Mono", monospace';
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

type Edit = { member: number; field: string };
type Props = { headline?: string; members?: string[]; edits?: Edit[]; firstSeq?: number; accent?: string };

const COLORS = [C.coral, C.sky, C.violet];
const EDITS: Edit[] = [
  { member: 0, field: 'title.text' },
  { member: 1, field: 'disc.color' },
  { member: 2, field: 'scene.duration' },
  { member: 1, field: 'title.size' },
  { member: 0, field: 'scene.tsx_code' },
  { member: 2, field: 'title.color' },
];
const START = 13; // the first edit leaves its lane at this frame
const EVERY = 7; // frames between two edits
const FLIGHT = 16;
const GATE = 1010;
const laneY = (member: number) => 500 + member * 150;
const rowY = (row: number) => 306 + row * 92;

const Lane: React.FC<{ name: string; i: number }> = ({ name, i }) => {
  const frame = useCurrentFrame();
  const { durationInFrames } = useVideoConfig();
  const drawn = tween(frame, 4 + i * 3, 26 + i * 3, Easing.out(Easing.cubic));
  return (
    <>
      <svg width={1920} height={1080} style={{ position: 'absolute', ...ride(frame, durationInFrames, -18, 0.8) }}>
        <path
          d={`M330 ${laneY(i)} H620 C 820 ${laneY(i)}, 820 ${laneY(1)}, ${GATE} ${laneY(1)}`}
          fill='none'
          stroke={C.line}
          strokeWidth={3}
          pathLength={1}
          strokeDasharray='1'
          strokeDashoffset={1 - drawn}
        />
      </svg>
      <div
        style={{
          position: 'absolute',
          left: 120,
          top: laneY(i) - 32,
          display: 'flex',
          alignItems: 'center',
          gap: 18,
          ...ride(frame, durationInFrames, i * 3, 0.8),
        }}
      >
        <div
          style={{
            width: 64,
            height: 64,
            borderRadius: 32,
            background: COLORS[i % 3],
            color: C.ink,
            font: `700 28px/64px ${SANS}`,
            textAlign: 'center',
          }}
        >
          {name.slice(0, 1)}
        </div>
        <span style={{ font: `600 30px ${SANS}`, color: C.bone }}>{name}</span>
      </div>
    </>
  );
};

/** An edit on its way: first along its lane, then bending into the gate. */
const Token: React.FC<{ edit: Edit; i: number }> = ({ edit, i }) => {
  const frame = useCurrentFrame();
  const at = tween(frame, START + i * EVERY, START + i * EVERY + FLIGHT, Easing.inOut(Easing.quad));
  const x = interpolate(at, [0, 1], [340, GATE]);
  const bend = tween(x, 600, GATE - 40);
  const y = interpolate(bend, [0, 1], [laneY(edit.member), laneY(1)]);
  const visible = at > 0 && at < 1 ? Math.min(1, at * 8, (1 - at) * 8) : 0;
  return (
    <div
      style={{
        position: 'absolute',
        left: x - 30,
        top: y - 15,
        width: 60,
        height: 30,
        borderRadius: 15,
        opacity: visible,
        background: C.ink,
        border: `4px solid ${COLORS[edit.member % 3]}`,
        boxSizing: 'border-box',
      }}
    />
  );
};

const Row: React.FC<{ edit: Edit; i: number; seq: number; name: string; accent: string }> = (
  { edit, i, seq, name, accent },
) => {
  const frame = useCurrentFrame();
  const { fps, durationInFrames } = useVideoConfig();
  const landed = START + i * EVERY + FLIGHT - 2;
  const land = spring({ frame: frame - landed, fps, config: { damping: 18, stiffness: 180 } });
  const saved = tween(frame, landed + 8, landed + 14);
  const state = interpolateColors(saved, [0, 1], [C.amber, accent]);
  const at = camera(frame, durationInFrames, -18);
  return (
    <div
      style={{
        position: 'absolute',
        left: 1090,
        top: rowY(i),
        width: 710,
        height: 76,
        borderRadius: 18,
        background: C.panel,
        border: `2px solid ${saved > 0.5 ? C.line : C.amber}`,
        boxSizing: 'border-box',
        opacity: Math.min(1, land) * seen(at),
        transform: `translateX(${(1 - land) * -70 + at * STEP * (1 + i * 0.12)}px)`,
        display: 'flex',
        alignItems: 'center',
        padding: '0 26px',
        font: `500 26px ${MONO}`,
        color: C.bone,
      }}
    >
      <span style={{ width: 96, color: state, fontWeight: 700 }}>{saved > 0.5 ? `#${seq}` : '\u00b7\u00b7\u00b7'}</span>
      <span style={{ width: 16, height: 16, borderRadius: 8, background: COLORS[edit.member % 3], marginRight: 16 }} />
      <span style={{ width: 110, font: `600 26px ${SANS}` }}>{name}</span>
      <span style={{ flex: 1, color: C.muted }}>{edit.field}</span>
      <span style={{ font: `600 22px ${SANS}`, color: state }}>{saved > 0.5 ? 'saved' : 'unsaved'}</span>
    </div>
  );
};

const OneOrder: React.FC<Props> = (
  {
    headline = 'Seen at once.\nSaved in one order.',
    members = ['Ada', 'Lin', 'Brain'],
    edits = EDITS,
    firstSeq = 41,
    accent = C.mint,
  },
) => {
  const frame = useCurrentFrame();
  const { durationInFrames } = useVideoConfig();
  const gate = tween(frame, 8, 26, Easing.out(Easing.exp));
  return (
    <AbsoluteFill>
      <Backdrop glow={accent} at={camera(frame, durationInFrames)} />
      <Mark />
      <div style={{ position: 'absolute', left: 120, top: 190, ...ride(frame, durationInFrames, -18, 0.7) }}>
        <Headline text={headline} frame={frame} />
      </div>
      {members.map((name, i) => <Lane key={name} name={name} i={i} />)}
      <div
        style={{
          position: 'absolute',
          left: GATE - 3,
          top: 580 - gate * 280,
          width: 6,
          height: gate * 560,
          borderRadius: 3,
          background: accent,
          ...ride(frame, durationInFrames, 4),
        }}
      />
      {edits.map((edit, i) => <Token key={i} edit={edit} i={i} />)}
      {edits.map((edit, i) => (
        <Row key={i} edit={edit} i={i} seq={firstSeq + i} name={members[edit.member] ?? ''} accent={accent} />
      ))}
    </AbsoluteFill>
  );
};

export default OneOrder;
