// End card: every scene of this film lines up on a timeline under the name, and the playhead runs through.
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

type Props = { name?: string; line?: string; small?: string; colors?: string[]; accent?: string };

const COLORS = [C.coral, C.violet, C.mint, C.sky, C.coral, C.amber, C.sky, C.violet, C.mint, C.bone];
const FROM = 140;
const TO = 1780;

const Logo: React.FC<{ frame: number }> = ({ frame }) => {
  const turn = tween(frame, 0, 34, Easing.out(Easing.cubic));
  return (
    <svg
      width={150}
      height={150}
      viewBox='-50 -50 100 100'
      style={{ transform: `rotate(${(1 - turn) * -120}deg) scale(${turn})` }}
    >
      <path
        d='M-11 -19 L21 0 L-11 19 Z'
        fill={C.bone}
        stroke={C.bone}
        strokeWidth={4}
        strokeLinejoin='round'
        transform={`rotate(${(1 - turn) * 120})`}
      />
      {[C.coral, C.sky, C.violet].map((color, i) => (
        <g key={color} transform={`rotate(${i * 120})`}>
          <circle
            r={38}
            fill='none'
            stroke={color}
            strokeWidth={2.6}
            strokeLinecap='round'
            pathLength={360}
            strokeDasharray='88 400'
            transform='rotate(-74)'
          />
          <circle r={8} cy={-38} fill={color} />
        </g>
      ))}
    </svg>
  );
};

const Clip: React.FC<{ i: number; count: number; color: string; head: number }> = ({ i, count, color, head }) => {
  const frame = useCurrentFrame();
  const { fps } = useVideoConfig();
  const width = (TO - FROM) / count;
  const drop = spring({ frame: frame - 10 - i * 2, fps, config: { damping: 16, stiffness: 150 } });
  const left = FROM + i * width;
  const played = interpolate(head, [left, left + width], [0, 1], CLAMP);
  return (
    <div
      style={{
        position: 'absolute',
        left: left + 6,
        top: 770,
        width: width - 12,
        height: 104,
        borderRadius: 16,
        overflow: 'hidden',
        background: C.panel,
        border: `2px solid ${C.line}`,
        boxSizing: 'border-box',
        opacity: Math.min(1, drop),
        transform: `translateY(${(1 - drop) * 130}px)`,
      }}
    >
      <div style={{ position: 'absolute', inset: 0, background: color, width: `${played * 100}%` }} />
    </div>
  );
};

const EndCard: React.FC<Props> = ({
  name = 'Scenehub',
  line = 'Make it together.',
  small = 'Self-hosted. Open source, MIT.',
  colors = COLORS,
  accent = C.coral,
}) => {
  const frame = useCurrentFrame();
  const { durationInFrames } = useVideoConfig();
  const head = interpolate(tween(frame, 26, Math.max(27, durationInFrames - 16), Easing.inOut(Easing.quad)), [0, 1], [
    FROM,
    TO,
  ]);
  const playhead = tween(frame, 20, 28);
  const dark = tween(frame, durationInFrames - 10, durationInFrames - 1);
  const rise = (from: number) => tween(frame, from, from + 20, Easing.out(Easing.exp));
  return (
    <AbsoluteFill>
      <Backdrop glow={accent} at={camera(frame, durationInFrames + 18)} focus='50% 50%' lit={1 - dark} />
      <AbsoluteFill style={{ opacity: 1 - dark }}>
        <div
          style={{
            position: 'absolute',
            left: 0,
            right: 0,
            top: 200,
            display: 'flex',
            justifyContent: 'center',
            alignItems: 'center',
            gap: 40,
          }}
        >
          <Logo frame={frame} />
          <div style={{ overflow: 'hidden', font: `700 168px/1.2 ${SANS}`, letterSpacing: '-0.045em', color: C.bone }}>
            <div style={{ transform: `translateY(${(1 - rise(8)) * 105}%)` }}>{name}</div>
          </div>
        </div>
        <div
          style={{
            position: 'absolute',
            left: 0,
            right: 0,
            top: 440,
            textAlign: 'center',
            overflow: 'hidden',
            font: `500 64px/1.3 ${SANS}`,
            letterSpacing: '-0.025em',
            color: C.bone,
          }}
        >
          <div style={{ transform: `translateY(${(1 - rise(16)) * 105}%)` }}>{line}</div>
        </div>
        <div
          style={{
            position: 'absolute',
            left: 0,
            right: 0,
            top: 556,
            textAlign: 'center',
            font: `400 34px ${SANS}`,
            color: C.muted,
            opacity: tween(frame, 24, 40),
          }}
        >
          {small}
        </div>
        {colors.map((color, i) => <Clip key={i} i={i} count={colors.length} color={color} head={head} />)}
        <div
          style={{
            position: 'absolute',
            left: head - 3,
            top: 738,
            width: 6,
            height: 168,
            borderRadius: 3,
            background: C.bone,
            opacity: playhead,
          }}
        />
        <svg width={36} height={24} style={{ position: 'absolute', left: head - 18, top: 722, opacity: playhead }}>
          <path d='M2 2 H34 L18 22 Z' fill={C.bone} stroke={C.bone} strokeWidth={4} strokeLinejoin='round' />
        </svg>
      </AbsoluteFill>
    </AbsoluteFill>
  );
};

export default EndCard;
