// Cold open: one line of code, two carets. Ada types it, Lin changes one word of it.
import React from 'react';
import { AbsoluteFill, Easing, interpolate, useCurrentFrame, useVideoConfig } from 'remotion';

const C = { ink: '#0c0f16', muted: '#8f99ad', bone: '#f6f2e9', coral: '#ff7a66', sky: '#5cbcff', mint: '#62e2a6' };
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

type Props = {
  before?: string;
  word?: string;
  change?: string;
  after?: string;
  line?: string;
  first?: string;
  second?: string;
  accent?: string;
};

const Caret: React.FC<{ color: string; name: string; on: boolean; blink?: boolean }> = ({ color, name, on, blink }) => (
  <span style={{ position: 'relative', display: 'inline-block', width: 0, opacity: on ? 1 : 0 }}>
    <span
      style={{
        position: 'absolute',
        left: 0,
        bottom: -17,
        width: 5,
        height: 108,
        background: color,
        opacity: blink ? 0.25 : 1,
      }}
    />
    <span
      style={{
        position: 'absolute',
        left: 0,
        bottom: 90,
        padding: '4px 14px 6px',
        borderRadius: '12px 12px 12px 0',
        background: color,
        color: C.ink,
        font: `600 24px ${SANS}`,
        whiteSpace: 'nowrap',
      }}
    >
      {name}
    </span>
  </span>
);

/** What stands between the quotation marks at a frame: the old word shrinks, then the new one grows. */
const wordAt = (frame: number, word: string, change: string) => {
  const removed = Math.floor(tween(frame, 37, 42, Easing.linear) * word.length);
  const added = Math.floor(tween(frame, 44, 50, Easing.linear) * change.length);
  return removed < word.length ? word.slice(0, word.length - removed) : change.slice(0, added);
};

const ColdOpen: React.FC<Props> = ({
  before = '<Title text="Hello, ',
  word = 'me',
  change = 'us',
  after = '" />',
  line = 'Video is code now. Write it together.',
  first = 'Ada',
  second = 'Lin',
  accent = C.mint,
}) => {
  const frame = useCurrentFrame();
  const { durationInFrames } = useVideoConfig();
  const whole = before + word + after;
  const typed = Math.floor(tween(frame, 4, 30, Easing.inOut(Easing.quad)) * whole.length);
  const done = typed >= whole.length;
  const show = (text: string, from: number) => (done ? text : text.slice(0, Math.max(0, typed - from)));
  const blink = (shift: number) => done && (frame + shift) % 16 > 8 && frame > 52;
  const leave = ride(frame, durationInFrames, -18);

  return (
    <AbsoluteFill>
      <Backdrop glow={accent} at={camera(frame, durationInFrames)} focus='50% 50%' />
      <AbsoluteFill
        style={{
          ...leave,
          opacity: Number(leave.opacity) * tween(frame, 0, 6),
          alignItems: 'center',
          justifyContent: 'center',
        }}
      >
        <div style={{ font: `500 100px/1.3 ${MONO}`, whiteSpace: 'pre', color: C.muted, letterSpacing: '-0.02em' }}>
          <span>{show(before.slice(0, 1), 0)}</span>
          <span style={{ color: C.sky }}>{show(before.slice(1, 6), 1)}</span>
          <span>{show(before.slice(6, 12), 6)}</span>
          <span style={{ color: C.bone }}>{show(before.slice(12), 12)}</span>
          <span style={{ color: frame > 43 ? accent : C.bone }}>
            {done ? wordAt(frame, word, change) : show(word, before.length)}
          </span>
          <Caret color={C.sky} name={second} on={frame >= 33} blink={blink(8)} />
          <span>{show(after, before.length + word.length)}</span>
          <Caret color={C.coral} name={first} on blink={blink(0)} />
          <span style={{ opacity: 0 }}>{done ? null : whole.slice(typed)}</span>
        </div>
        <div
          style={{
            position: 'absolute',
            top: 672,
            height: 60,
            overflow: 'hidden',
            font: `500 42px/60px ${SANS}`,
            color: C.bone,
            letterSpacing: '-0.01em',
          }}
        >
          <div style={{ transform: `translateY(${(1 - tween(frame, 44, 60, Easing.out(Easing.exp))) * 100}%)` }}>
            {line}
          </div>
        </div>
      </AbsoluteFill>
    </AbsoluteFill>
  );
};

export default ColdOpen;
