// The chart: when others see an edit, and when it is saved. A drawing of the idea, labelled as one.
import React from 'react';
import { AbsoluteFill, Easing, interpolate, spring, useCurrentFrame, useVideoConfig } from 'remotion';

const C = {
  ink: '#0c0f16',
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

type Props = { headline?: string; note?: string; axis?: string; shown?: number[]; saved?: number[]; accent?: string };

const WIDTH = 1680;
const HEIGHT = 420;
const hump = (centre: number, spread: number, top: number) =>
  Array.from({ length: 42 }, (_, i) => top * Math.exp(-(((i - centre) / (spread * (i > centre ? 1.7 : 1))) ** 2)));
const SHOWN = hump(7, 2.8, 1);
const SAVED = hump(21, 4.6, 0.72);

type SeriesProps = { values: number[]; color: string; from: number; width: number };

const Bars: React.FC<SeriesProps> = ({ values, color, from, width }) => {
  const frame = useCurrentFrame();
  const { fps } = useVideoConfig();
  return (
    <>
      {values.map((value, i) => {
        const grow = spring({ frame: frame - from - i * 0.5, fps, config: { damping: 16, stiffness: 120 } });
        const height = Math.max(0, value * grow * HEIGHT);
        return height < 3 ? null : (
          <rect
            key={i}
            x={i * width + 5}
            y={HEIGHT - height}
            width={width - 10}
            height={height}
            rx={6}
            fill={color}
            opacity={0.28}
          />
        );
      })}
    </>
  );
};

/** A smooth line over the tops of the bars, drawn from left to right. */
const Curve: React.FC<SeriesProps> = ({ values, color, from, width }) => {
  const at = tween(useCurrentFrame(), from, from + 30);
  const point = (i: number) => {
    const nearest = Math.min(values.length - 1, Math.max(0, i));
    return { x: nearest * width + width / 2, y: HEIGHT * (1 - (values[nearest] ?? 0)) };
  };
  const path = values.map((_, i) => {
    const [a, b, c, d] = [point(i - 2), point(i - 1), point(i), point(i + 1)];
    return i === 0
      ? `M${c.x} ${c.y}`
      : `C${b.x + (c.x - a.x) / 6} ${b.y + (c.y - a.y) / 6} ${c.x - (d.x - b.x) / 6} ${
        c.y - (d.y - b.y) / 6
      } ${c.x} ${c.y}`;
  });
  return (
    <path
      d={path.join(' ')}
      fill='none'
      stroke={color}
      strokeWidth={6}
      strokeLinecap='round'
      pathLength={1}
      strokeDasharray={`${at} 1`}
      opacity={at > 0 ? 1 : 0}
    />
  );
};

const Label: React.FC<{ x: number; y: number; from: number; color: string; title: string; text: string }> = (
  { x, y, from, color, title, text },
) => {
  const at = tween(useCurrentFrame(), from, from + 16, Easing.out(Easing.cubic));
  return (
    <div
      style={{
        position: 'absolute',
        left: x,
        top: y,
        paddingLeft: 22,
        borderLeft: `5px solid ${color}`,
        opacity: at,
        transform: `translateY(${(1 - at) * 24}px)`,
      }}
    >
      <div style={{ font: `700 36px/1.2 ${SANS}`, letterSpacing: '-0.02em', color }}>{title}</div>
      <div style={{ font: `400 26px/1.4 ${SANS}`, color: C.bone, marginTop: 4 }}>{text}</div>
    </div>
  );
};

const FirstShownThenSaved: React.FC<Props> = ({
  headline = 'First shown. Then saved.',
  note = 'Illustration, not a measurement',
  axis = 'time after a keystroke',
  shown = SHOWN,
  saved = SAVED,
  accent = C.amber,
}) => {
  const frame = useCurrentFrame();
  const { durationInFrames } = useVideoConfig();
  const width = WIDTH / Math.max(1, shown.length, saved.length);
  const peak = (values: number[]) => 120 + (values.indexOf(Math.max(...values)) + 0.5) * width;
  const base = tween(frame, 4, 30, Easing.out(Easing.cubic));
  return (
    <AbsoluteFill>
      <Backdrop glow={accent} at={camera(frame, durationInFrames)} />
      <Mark />
      <div style={{ position: 'absolute', left: 120, top: 190, ...ride(frame, durationInFrames, -18, 0.7) }}>
        <Headline text={headline} frame={frame} />
      </div>
      <AbsoluteFill style={ride(frame, durationInFrames, -18, 1.1)}>
        <svg
          width={WIDTH}
          height={HEIGHT + 20}
          style={{ position: 'absolute', left: 120, top: 480, overflow: 'visible' }}
        >
          <Bars values={shown} color={accent} from={1} width={width} />
          <Bars values={saved} color={C.mint} from={6} width={width} />
          <Curve values={shown} color={accent} from={10} width={width} />
          <Curve values={saved} color={C.mint} from={18} width={width} />
          <rect x={0} y={HEIGHT} width={WIDTH * base} height={3} fill={C.line} />
        </svg>
        <Label
          x={peak(shown) + 200}
          y={450}
          from={26}
          color={accent}
          title='Shown to everyone'
          text='marked as unsaved'
        />
        <Label x={peak(saved) + 280} y={600} from={36} color={C.mint} title='Saved' text='on disk, with its number' />
        <div
          style={{
            position: 'absolute',
            left: 120,
            right: 120,
            top: 922,
            display: 'flex',
            justifyContent: 'space-between',
            font: `500 24px ${SANS}`,
            color: C.muted,
            opacity: base,
          }}
        >
          <span>{axis} {'\u2192'}</span>
          <span style={{ padding: '6px 18px', borderRadius: 20, border: `2px solid ${C.line}` }}>{note}</span>
        </div>
      </AbsoluteFill>
    </AbsoluteFill>
  );
};

export default FirstShownThenSaved;
