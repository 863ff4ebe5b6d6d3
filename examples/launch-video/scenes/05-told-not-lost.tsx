// Told, not lost: two people write one field. The later one stands, both hear of it, nothing disappears.
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

type Props = {
  headline?: string;
  field?: string;
  first?: string;
  second?: string;
  mine?: string;
  theirs?: string;
  accent?: string;
};

const Value: React.FC<{ text: string; color: string; style: React.CSSProperties }> = ({ text, color, style }) => (
  <div
    style={{
      position: 'absolute',
      left: 0,
      right: 0,
      textAlign: 'center',
      font: `700 76px/1.2 ${SANS}`,
      letterSpacing: '-0.03em',
      color,
      ...style,
    }}
  >
    {text}
  </div>
);

const LIFT = 32; // the first value leaves the field at this frame ...
const SETTLE = LIFT + 17; // ... and is in its author's notice at this one

/** The value that was overwritten: it is carried out of the field into the notice of its author. */
const Carried: React.FC<{ frame: number; text: string }> = ({ frame, text }) => {
  const at = tween(frame, LIFT, SETTLE);
  const scale = interpolate(at, [0, 1], [1, 0.371]);
  const place = `translate(${at * -397}px, ${at * 286}px) scale(${scale})`;
  return frame < LIFT ? null : (
    <Value
      text={text}
      color={C.coral}
      style={{ left: 560, right: 560, top: 485, opacity: 1 - tween(frame, SETTLE + 4, SETTLE + 7), transform: place }}
    />
  );
};

/** The field in the middle: Ada's value comes from the left, Lin's takes its place from the right. */
const Field: React.FC<{ frame: number; field: string; mine: string; theirs: string }> = (
  { frame, field, mine, theirs },
) => {
  const { fps } = useVideoConfig();
  const first = spring({ frame: frame - 14, fps, config: { damping: 17, stiffness: 140 } });
  const second = spring({ frame: frame - LIFT - 4, fps, config: { damping: 17, stiffness: 140 } });
  const edge = interpolateColors(frame, [14, 22, LIFT + 4, LIFT + 12], [C.line, C.coral, C.coral, C.sky]);
  return (
    <div
      style={{
        position: 'absolute',
        left: 560,
        top: 420,
        width: 800,
        height: 180,
        borderRadius: 28,
        background: C.panel,
        border: `3px solid ${edge}`,
        boxSizing: 'border-box',
        overflow: 'hidden',
        boxShadow: '0 40px 100px rgba(0,0,0,0.5)',
      }}
    >
      <span style={{ position: 'absolute', left: 30, top: 18, font: `500 22px ${MONO}`, color: C.muted }}>{field}</span>
      <Value
        text={mine}
        color={C.coral}
        style={{
          top: 62,
          opacity: frame < LIFT ? Math.min(1, first) : 0,
          transform: `translateX(${(1 - first) * -420}px)`,
        }}
      />
      <Value
        text={theirs}
        color={C.sky}
        style={{ top: 62, opacity: Math.min(1, second), transform: `translateX(${(1 - second) * 420}px)` }}
      />
    </div>
  );
};

type NoticeProps = {
  frame: number;
  from: number;
  color: string;
  who: string;
  title: string;
  body: React.ReactNode;
  children?: React.ReactNode;
};

const Notice: React.FC<NoticeProps> = ({ frame, from, color, who, title, body, children }) => {
  const { fps } = useVideoConfig();
  const at = spring({ frame: frame - from, fps, config: { damping: 19, stiffness: 150 } });
  return (
    <div
      style={{
        width: 560,
        height: 220,
        boxSizing: 'border-box',
        borderRadius: 24,
        background: C.raised,
        border: `2px solid ${C.line}`,
        padding: '28px 32px',
        opacity: Math.min(1, at),
        transform: `translateY(${(1 - at) * -60}px)`,
      }}
    >
      <div style={{ display: 'flex', alignItems: 'center', gap: 14, font: `600 24px ${SANS}`, color }}>
        <span style={{ width: 16, height: 16, borderRadius: 8, background: color }} />
        {who} is told
      </div>
      <div style={{ font: `600 31px/1.3 ${SANS}`, letterSpacing: '-0.015em', color: C.bone, marginTop: 14 }}>
        {title}
      </div>
      <div
        style={{
          display: 'flex',
          alignItems: 'center',
          justifyContent: 'space-between',
          marginTop: 16,
          font: `400 27px ${SANS}`,
          color: C.muted,
        }}
      >
        <span>{body}</span>
        {children}
      </div>
    </div>
  );
};

const ToldNotLost: React.FC<Props> = ({
  headline = 'A conflict is told, never swallowed.',
  field = 'title.text',
  first = 'Ada',
  second = 'Lin',
  mine = 'Launch day',
  theirs = 'Launch week',
  accent = C.sky,
}) => {
  const frame = useCurrentFrame();
  const { durationInFrames } = useVideoConfig();
  const press = 1 - 0.06 * Math.sin(Math.PI * tween(frame, 74, 82));
  return (
    <AbsoluteFill>
      <Backdrop glow={accent} at={camera(frame, durationInFrames)} focus='50% 50%' />
      <Mark />
      <div
        style={{
          position: 'absolute',
          left: 0,
          right: 0,
          top: 222,
          textAlign: 'center',
          ...ride(frame, durationInFrames, -18, 0.7),
        }}
      >
        <Headline text={headline} frame={frame} />
      </div>
      <AbsoluteFill style={ride(frame, durationInFrames, 3, 1.2)}>
        <Field frame={frame} field={field} mine={mine} theirs={theirs} />
      </AbsoluteFill>
      <div
        style={{
          position: 'absolute',
          left: 380,
          top: 660,
          width: 1160,
          display: 'flex',
          justifyContent: 'space-between',
          ...ride(frame, durationInFrames, -18, 1.5),
        }}
      >
        <Notice
          frame={frame}
          from={44}
          color={C.coral}
          who={first}
          title={`${second} wrote over your title.`}
          body={
            <>
              Kept:{' '}
              <b style={{ color: C.coral, fontWeight: 600, opacity: tween(frame, SETTLE + 3, SETTLE + 6) }}>{mine}</b>
            </>
          }
        >
          <span
            style={{
              padding: '10px 22px',
              borderRadius: 14,
              background: C.coral,
              color: C.ink,
              fontWeight: 600,
              transform: `scale(${press})`,
            }}
          >
            Use mine
          </span>
        </Notice>
        <Notice
          frame={frame}
          from={51}
          color={C.sky}
          who={second}
          title={`You wrote over ${first}'s title.`}
          body={
            <>
              It was: <b style={{ color: C.coral, fontWeight: 600 }}>{mine}</b>
            </>
          }
        />
      </div>
      <AbsoluteFill style={ride(frame, durationInFrames, -18, 1.5)}>
        <Carried frame={frame} text={mine} />
      </AbsoluteFill>
    </AbsoluteFill>
  );
};

export default ToldNotLost;
