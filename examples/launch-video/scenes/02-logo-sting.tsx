// Logo sting: three cursors fly in, become the ring of the mark, and the name follows.
import React from 'react';
import { AbsoluteFill, Easing, interpolate, spring, useCurrentFrame, useVideoConfig } from 'remotion';

const C = { ink: '#0c0f16', muted: '#8f99ad', bone: '#f6f2e9', coral: '#ff7a66', sky: '#5cbcff', violet: '#ae98ff' };
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

type Props = { name?: string; tagline?: string; colors?: string[]; accent?: string };

const RADIUS = 150;
const angleOf = (i: number, count: number) => (i * 2 * Math.PI) / count;

/** A cursor's flight from beyond the frame onto its place on the ring. */
const flight = (frame: number, i: number, count: number) => {
  const at = tween(frame, i * 3 - 4, 18 + i * 3, Easing.out(Easing.cubic));
  const radius = interpolate(at, [0, 1], [1150, RADIUS]);
  const angle = angleOf(i, count) - (1 - at) * 1.5;
  return { x: radius * Math.sin(angle), y: -radius * Math.cos(angle), at };
};

const Arrow: React.FC<{ i: number; count: number; color: string }> = ({ i, count, color }) => {
  const frame = useCurrentFrame();
  const { fps } = useVideoConfig();
  const { x, y, at } = flight(frame, i, count);
  const land = spring({ frame: frame - 12 - i * 3, fps, config: { damping: 11, stiffness: 170 } });
  const arc = tween(frame, 14 + i * 3, 30 + i * 3, Easing.out(Easing.cubic));
  const begin = (angleOf(i, count) * 180) / Math.PI - 90 + 16;
  return (
    <>
      <circle
        r={RADIUS}
        fill='none'
        stroke={color}
        strokeWidth={10}
        strokeLinecap='round'
        pathLength={360}
        strokeDasharray={`${Math.max(0.01, arc * (360 / count - 32))} 400`}
        transform={`rotate(${begin})`}
        opacity={arc > 0 ? 0.9 : 0}
      />
      <g transform={`translate(${x} ${y})`}>
        <path
          d='M-34 -34 L46 7 L9 17 L-9 54 Z'
          fill={color}
          opacity={1 - land}
          transform={`scale(${1.2 - 0.5 * at})`}
        />
        <circle r={Math.max(0, land) * 30} fill={color} />
      </g>
    </>
  );
};

const Letters: React.FC<{ text: string }> = ({ text }) => {
  const frame = useCurrentFrame();
  return (
    <div style={{ display: 'flex', font: `700 168px/1.2 ${SANS}`, letterSpacing: '-0.045em', color: C.bone }}>
      {Array.from(text).map((letter, i) => {
        const at = tween(frame, 20 + i * 1.6, 38 + i * 1.6, Easing.out(Easing.exp));
        return (
          <span
            key={i}
            style={{ display: 'inline-block', overflow: 'hidden', marginRight: '-0.045em', paddingRight: '0.045em' }}
          >
            <span style={{ display: 'inline-block', transform: `translateY(${(1 - at) * 105}%)` }}>{letter}</span>
          </span>
        );
      })}
    </div>
  );
};

const LogoSting: React.FC<Props> = ({
  name = 'Scenehub',
  tagline = 'Real-time collaboration for videos made of code',
  colors = [C.coral, C.sky, C.violet],
  accent = C.violet,
}) => {
  const frame = useCurrentFrame();
  const { fps, durationInFrames } = useVideoConfig();
  const play = spring({ frame: frame - 17, fps, config: { damping: 12, stiffness: 150 } });
  const ripple = tween(frame, 22, 46, Easing.out(Easing.cubic));
  const at = camera(frame, durationInFrames);

  return (
    <AbsoluteFill>
      <Backdrop glow={accent} at={at} focus='50% 50%' />
      <AbsoluteFill style={{ ...ride(frame, durationInFrames, -18), alignItems: 'center' }}>
        <svg width={1920} height={1080} viewBox='-960 -390 1920 1080' style={{ position: 'absolute' }}>
          <circle
            r={RADIUS + ripple * 320}
            fill='none'
            stroke={C.bone}
            strokeWidth={3}
            opacity={ripple > 0 ? (1 - ripple) * 0.5 : 0}
          />
          <path
            d='M-44 -74 L82 0 L-44 74 Z'
            fill={C.bone}
            stroke={C.bone}
            strokeWidth={14}
            strokeLinejoin='round'
            transform={`scale(${Math.max(0, play) * 0.82})`}
          />
          {colors.map((color, i) => <Arrow key={i} i={i} count={colors.length} color={color} />)}
        </svg>
        <div style={{ position: 'absolute', top: 610 }}>
          <Letters text={name} />
        </div>
        <div
          style={{
            position: 'absolute',
            top: 826,
            font: `500 40px ${SANS}`,
            color: C.muted,
            opacity: tween(frame, 30, 44),
            transform: `translateY(${(1 - tween(frame, 30, 48, Easing.out(Easing.cubic))) * 24}px)`,
          }}
        >
          {tagline}
        </div>
      </AbsoluteFill>
    </AbsoluteFill>
  );
};

export default LogoSting;
