// Self-hosted: one command in a terminal, and the parts come up one after the other.
import React from 'react';
import { AbsoluteFill, Easing, interpolate, spring, useCurrentFrame, useVideoConfig } from 'remotion';

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

type Props = { headline?: string; command?: string; lines?: string[]; address?: string; accent?: string };

const LINES = ['PostgreSQL, data kept in a directory', 'Valkey, for speed only', 'hub, ready for every client'];

const Prompt: React.FC<{ text: string; frame: number; from: number; over: number }> = ({ text, frame, from, over }) => {
  const typed = Math.floor(tween(frame, from, from + over, Easing.linear) * text.length);
  const busy = frame < from + over + 6;
  return (
    <div style={{ color: C.bone }}>
      <span style={{ color: C.mint }}>{'$ '}</span>
      {text.slice(0, typed)}
      <span
        style={{
          display: 'inline-block',
          width: 18,
          height: 40,
          marginBottom: -8,
          marginLeft: 4,
          background: C.bone,
          opacity: busy && frame % 16 < 11 ? 1 : 0,
        }}
      />
    </div>
  );
};

const Started: React.FC<{ text: string; frame: number; from: number }> = ({ text, frame, from }) => {
  const { fps } = useVideoConfig();
  const at = tween(frame, from, from + 10, Easing.out(Easing.cubic));
  const tick = spring({ frame: frame - from - 5, fps, config: { damping: 11, stiffness: 190 } });
  return (
    <div
      style={{
        display: 'flex',
        alignItems: 'center',
        gap: 20,
        color: C.muted,
        opacity: at,
        transform: `translateX(${(1 - at) * 36}px)`,
      }}
    >
      <svg width={32} height={32} viewBox='0 0 32 32' style={{ transform: `scale(${Math.max(0, tick)})` }}>
        <circle cx={16} cy={16} r={16} fill={C.mint} />
        <path
          d='M9 16.5 L14 21.5 L23.5 11.5'
          fill='none'
          stroke={C.ink}
          strokeWidth={3.6}
          strokeLinecap='round'
          strokeLinejoin='round'
        />
      </svg>
      {text}
    </div>
  );
};

const SelfHosted: React.FC<Props> = ({
  headline = 'Your machine.\nYour data.\nOne command.',
  command = 'scenehub dev',
  lines = LINES,
  address = 'http://127.0.0.1:8787',
  accent = C.mint,
}) => {
  const frame = useCurrentFrame();
  const { durationInFrames } = useVideoConfig();
  const open = 30 + lines.length * 5;
  const shown = tween(frame, open, open + 12, Easing.out(Easing.cubic));
  return (
    <AbsoluteFill>
      <Backdrop glow={accent} at={camera(frame, durationInFrames)} />
      <Mark opacity={1 - tween(frame, durationInFrames - 16, durationInFrames - 2)} />
      <div style={{ position: 'absolute', left: 120, top: 390, ...ride(frame, durationInFrames, -18, 0.7) }}>
        <Headline text={headline} frame={frame} />
      </div>
      <div
        style={{
          position: 'absolute',
          left: 830,
          top: 280,
          width: 970,
          height: 540,
          borderRadius: 24,
          overflow: 'hidden',
          background: C.panel,
          border: `2px solid ${C.line}`,
          boxSizing: 'border-box',
          boxShadow: '0 40px 100px rgba(0,0,0,0.5)',
          ...ride(frame, durationInFrames, 2, 1.5),
        }}
      >
        <div
          style={{
            height: 66,
            borderBottom: `2px solid ${C.line}`,
            display: 'flex',
            alignItems: 'center',
            gap: 12,
            paddingLeft: 30,
          }}
        >
          {[0, 1, 2].map((i) => (
            <span
              key={i}
              style={{ width: 16, height: 16, borderRadius: 8, background: C.line }}
            />
          ))}
        </div>
        <div style={{ padding: '40px 48px', font: `500 34px/68px ${MONO}`, whiteSpace: 'pre' }}>
          <Prompt text={command} frame={frame} from={9} over={14} />
          <div style={{ font: `500 30px/62px ${SANS}`, margin: '12px 0 26px' }}>
            {lines.map((line, i) => <Started key={line} text={line} frame={frame} from={27 + i * 5} />)}
          </div>
          <span
            style={{
              display: 'inline-block',
              padding: '0 26px',
              borderRadius: 16,
              background: `${accent}1f`,
              color: accent,
              opacity: shown,
              transform: `translateY(${(1 - shown) * 20}px)`,
            }}
          >
            {address}
          </span>
        </div>
      </div>
    </AbsoluteFill>
  );
};

export default SelfHosted;
