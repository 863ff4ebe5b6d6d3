// Live cursors: Ada changes a colour in the code while Lin drags the shape in the preview.
import React from 'react';
import { AbsoluteFill, Easing, interpolate, interpolateColors, useCurrentFrame, useVideoConfig } from 'remotion';

const C = {
  ink: '#0c0f16',
  panel: '#151a25',
  line: '#303a4e',
  muted: '#8f99ad',
  bone: '#f6f2e9',
  coral: '#ff7a66',
  sky: '#5cbcff',
  violet: '#ae98ff',
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

const Cursor: React.FC<{ x: number; y: number; color: string; name: string; opacity?: number }> = (
  { x, y, color, name, opacity = 1 },
) => (
  <div style={{ position: 'absolute', left: x, top: y, opacity, filter: 'drop-shadow(0 6px 14px rgba(0,0,0,0.45))' }}>
    <svg width={40} height={44} viewBox='0 0 20 22' style={{ display: 'block' }}>
      <path
        d='M1.5 1.5 L17 9.4 L9.8 11.4 L6.4 18.4 Z'
        fill={color}
        stroke={C.ink}
        strokeWidth={1.4}
        strokeLinejoin='round'
      />
    </svg>
    <span
      style={{
        position: 'absolute',
        left: 28,
        top: 36,
        padding: '5px 14px 6px',
        borderRadius: 12,
        background: color,
        color: C.ink,
        font: `600 22px ${SANS}`,
        whiteSpace: 'nowrap',
      }}
    >
      {name}
    </span>
  </div>
);

type Props = { headline?: string; sub?: string; accent?: string; first?: string; second?: string };

const CODE: [string, string][] = [
  ['export default', ' function Scene() {'],
  ['  return', ' ('],
  ['    <AbsoluteFill', '>'],
  ['      <Title', ' text="Hello, us" />'],
  ['      <Disc', ''],
  ['    </AbsoluteFill', '>'],
  ['  );', ''],
  ['}', ''],
];

/** The value Ada types: "coral" is selected, then replaced letter by letter. */
const valueAt = (
  frame: number,
) => (frame < 44 ? 'coral' : 'mint'.slice(0, Math.floor(tween(frame, 44, 52, Easing.linear) * 4)));

const Code: React.FC<{ frame: number }> = ({ frame }) => (
  <div style={{ font: `400 24px/44px ${MONO}`, whiteSpace: 'pre', padding: '34px 0 0 34px' }}>
    {CODE.map(([tag, rest], i) => {
      const drop = tween(frame, 8 + i * 1.5, 22 + i * 1.5, Easing.out(Easing.cubic));
      return (
        <div key={i} style={{ opacity: drop, transform: `translateX(${(1 - drop) * 40}px)` }}>
          <span style={{ color: C.sky }}>{tag}</span>
          <span style={{ color: C.muted }}>{rest}</span>
          {i === 4
            ? (
              <span style={{ color: C.muted }}>
                {' color="'}
                <span
                  style={{
                    color: frame < 44 ? C.coral : C.mint,
                    background: frame > 36 && frame < 44 ? `${C.coral}44` : 'transparent',
                  }}
                >
                  {valueAt(frame)}
                </span>
                <span
                  style={{
                    display: 'inline-block',
                    width: 3,
                    height: 30,
                    margin: '0 -3px -6px 0',
                    background: C.coral,
                    opacity: frame > 36 && frame % 16 < 11 ? 1 : 0,
                  }}
                />
                {'" />'}
              </span>
            )
            : null}
        </div>
      );
    })}
  </div>
);

const Preview: React.FC<{ frame: number; drag: number; accent: string }> = ({ frame, drag, accent }) => {
  const color = interpolateColors(tween(frame, 53, 62), [0, 1], [C.coral, accent]);
  const grow = tween(frame, 12, 34, Easing.out(Easing.exp));
  return (
    <div
      style={{
        position: 'absolute',
        left: 550,
        top: 106,
        width: 480,
        height: 470,
        borderRadius: 16,
        overflow: 'hidden',
        background: C.bone,
      }}
    >
      <div
        style={{
          position: 'absolute',
          left: 40 + drag * 215,
          top: 60 + drag * 110,
          width: 190,
          height: 190,
          borderRadius: 95,
          background: color,
          transform: `scale(${grow})`,
        }}
      />
      <div
        style={{
          position: 'absolute',
          left: 36,
          bottom: 32,
          font: `700 60px ${SANS}`,
          letterSpacing: '-0.03em',
          color: C.ink,
          opacity: grow,
        }}
      >
        Hello, us
      </div>
    </div>
  );
};

const LiveCursors: React.FC<Props> = ({
  headline = 'Two people.\nOne scene.\nRight now.',
  sub = 'Cursors, selections and edits arrive as they happen, in every open tab.',
  accent = C.mint,
  first = 'Ada',
  second = 'Lin',
}) => {
  const frame = useCurrentFrame();
  const { durationInFrames } = useVideoConfig();
  const reach = tween(frame, 18, 36);
  const drag = tween(frame, 36, 72);
  const grab = tween(frame, 14, 34);
  const rest = tween(frame, 56, 76);

  return (
    <AbsoluteFill>
      <Backdrop glow={accent} at={camera(frame, durationInFrames)} />
      <Mark opacity={tween(frame, 4, 18)} />
      <div
        style={{ position: 'absolute', left: 120, top: 330, width: 600, ...ride(frame, durationInFrames, -18, 0.7) }}
      >
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
      <div
        style={{
          position: 'absolute',
          left: 750,
          top: 220,
          width: 1060,
          height: 640,
          borderRadius: 24,
          background: C.panel,
          border: `2px solid ${C.line}`,
          boxShadow: '0 40px 100px rgba(0,0,0,0.5)',
          ...ride(frame, durationInFrames, 2, 1.5),
        }}
      >
        <div
          style={{
            position: 'absolute',
            left: 34,
            top: 0,
            height: 76,
            display: 'flex',
            alignItems: 'center',
            font: `500 24px ${MONO}`,
            color: C.muted,
          }}
        >
          scenes/hello.tsx
        </div>
        {[first, second].map((name, i) => (
          <div
            key={name}
            style={{
              position: 'absolute',
              right: 30 + (1 - i) * 44,
              top: 14,
              width: 48,
              height: 48,
              borderRadius: 26,
              border: `4px solid ${C.panel}`,
              background: [C.coral, C.sky][i],
              color: C.ink,
              font: `700 22px/46px ${SANS}`,
              textAlign: 'center',
              transform: `scale(${tween(frame, 14 + i * 5, 28 + i * 5, Easing.out(Easing.back(2)))})`,
            }}
          >
            {name.slice(0, 1)}
          </div>
        ))}
        <div style={{ position: 'absolute', top: 76, left: 0, right: 0, height: 2, background: C.line }} />
        <div style={{ position: 'absolute', top: 78 }}>
          <Code frame={frame} />
        </div>
        <Preview frame={frame} drag={drag} accent={accent} />
        <Cursor
          name={first}
          color={C.coral}
          x={interpolate(reach, [0, 1], [180, 400]) - rest * 130}
          y={interpolate(reach, [0, 1], [620, 300]) + rest * 190}
        />
        <Cursor
          name={second}
          color={C.sky}
          x={interpolate(grab, [0, 1], [940, 710]) + drag * 215}
          y={interpolate(grab, [0, 1], [560, 280]) + drag * 110}
        />
      </div>
    </AbsoluteFill>
  );
};

export default LiveCursors;
