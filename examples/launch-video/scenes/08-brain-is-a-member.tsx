// The brain: asked in the chat, it comes with a cursor of its own, and proposes where a person is at work.
import React from 'react';
import {
  AbsoluteFill,
  Easing,
  Img,
  interpolate,
  interpolateColors,
  spring,
  useCurrentFrame,
  useVideoConfig,
} from 'remotion';

const C = {
  ink: '#0c0f16',
  raised: '#1d2432',
  line: '#303a4e',
  muted: '#8f99ad',
  bone: '#f6f2e9',
  coral: '#ff7a66',
  sky: '#5cbcff',
  violet: '#ae98ff',
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

type Props = {
  headline?: string;
  prompt?: string;
  reply?: string;
  person?: string;
  title?: string;
  proposal?: string;
  asker?: string;
  accent?: string;
};

const FACE = `data:image/svg+xml,${
  encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="32" fill="${C.violet}"/><path d="M32 12l5 15 15 5-15 5-5 15-5-15-15-5 15-5z" fill="${C.ink}"/></svg>`,
  )
}`;

const Icon: React.FC<{ size: number }> = ({ size }) => (
  <Img src={FACE} style={{ width: size, height: size, display: 'block' }} />
);

type BubbleProps = { from: number; text: string; typed?: number; face: React.ReactNode; tint: string };

const Bubble: React.FC<BubbleProps> = ({ from, text, typed = text.length, face, tint }) => {
  const frame = useCurrentFrame();
  const { fps } = useVideoConfig();
  const at = spring({ frame: frame - from, fps, config: { damping: 18, stiffness: 150 } });
  return (
    <div
      style={{
        display: 'flex',
        gap: 18,
        marginBottom: 30,
        opacity: Math.min(1, at),
        transform: `translateY(${(1 - at) * 50}px)`,
      }}
    >
      <div style={{ flex: 'none' }}>{face}</div>
      <div
        style={{
          padding: '18px 26px',
          minHeight: 40,
          borderRadius: '8px 26px 26px 26px',
          background: C.raised,
          border: `2px solid ${tint}55`,
          font: `400 31px/40px ${SANS}`,
          color: C.bone,
        }}
      >
        {text.slice(0, typed)}
        <span style={{ opacity: 0 }}>{text.slice(typed)}</span>
      </div>
    </div>
  );
};

/** The scene that everybody looks at: the brain warms its colours, a person is in its title. */
const Canvas: React.FC<{ frame: number; title: string; person: string }> = ({ frame, title, person }) => {
  const warm = tween(frame, 44, 66);
  const sky = interpolateColors(warm, [0, 1], ['#b9d3e6', '#ffd9a8']);
  const sun = interpolateColors(warm, [0, 1], ['#eef4f8', '#ff8a5c']);
  const hill = interpolateColors(warm, [0, 1], ['#6d8ba3', '#c9587a']);
  const typed = Math.floor(tween(frame, 20, 64, Easing.linear) * title.length);
  return (
    <div
      style={{
        position: 'absolute',
        left: 800,
        top: 250,
        width: 1000,
        height: 562,
        borderRadius: 24,
        overflow: 'hidden',
        background: sky,
        boxShadow: '0 40px 100px rgba(0,0,0,0.5)',
      }}
    >
      <svg width={1000} height={562} style={{ position: 'absolute' }}>
        <circle cx={820} cy={350 - warm * 90} r={105} fill={sun} />
        <path d='M0 430 C 200 330, 420 380, 620 420 S 900 400, 1000 350 V562 H0 Z' fill={hill} />
        <path d='M0 500 C 260 430, 480 520, 1000 450 V562 H0 Z' fill={C.ink} opacity={0.35} />
      </svg>
      <div
        style={{
          position: 'absolute',
          left: 60,
          top: 70,
          font: `700 84px/1.1 ${SANS}`,
          letterSpacing: '-0.035em',
          color: C.ink,
          whiteSpace: 'pre',
        }}
      >
        {title.slice(0, typed)}
        <span
          style={{
            display: 'inline-block',
            position: 'relative',
            width: 5,
            height: 84,
            marginBottom: -14,
            background: C.coral,
          }}
        >
          <span
            style={{
              position: 'absolute',
              left: 0,
              top: 84,
              padding: '4px 14px 6px',
              borderRadius: '0 12px 12px 12px',
              background: C.coral,
              font: `600 22px ${SANS}`,
              letterSpacing: 0,
            }}
          >
            {person}
          </span>
        </span>
      </div>
    </div>
  );
};

const BrainIsAMember: React.FC<Props> = ({
  headline = 'The AI has a cursor too.',
  prompt = 'Warmer, and a better title?',
  reply = 'Colours done. Ada is in the title, so here is a proposal.',
  person = 'Ada',
  title = 'Winter is over',
  proposal = 'Hello, spring',
  asker = 'Lin',
  accent = C.violet,
}) => {
  const frame = useCurrentFrame();
  const { fps, durationInFrames } = useVideoConfig();
  const come = tween(frame, 24, 44);
  const offer = spring({ frame: frame - 64, fps, config: { damping: 17, stiffness: 140 } });
  const button: React.CSSProperties = { padding: '12px 26px', borderRadius: 14, font: `600 26px ${SANS}` };
  return (
    <AbsoluteFill>
      <Backdrop glow={accent} at={camera(frame, durationInFrames)} />
      <Mark />
      <div
        style={{ position: 'absolute', left: 120, top: 250, width: 600, ...ride(frame, durationInFrames, -18, 0.7) }}
      >
        <Headline text={headline} frame={frame} />
      </div>
      <div
        style={{ position: 'absolute', left: 120, top: 512, width: 590, ...ride(frame, durationInFrames, -18, 0.9) }}
      >
        <Bubble
          from={8}
          text={prompt}
          tint={C.sky}
          face={
            <div
              style={{
                width: 60,
                height: 60,
                borderRadius: 30,
                background: C.sky,
                font: `700 26px/60px ${SANS}`,
                textAlign: 'center',
                color: C.ink,
              }}
            >
              {asker.slice(0, 1)}
            </div>
          }
        />
        <Bubble
          from={40}
          text={reply}
          typed={Math.floor(tween(frame, 46, 68, Easing.linear) * reply.length)}
          tint={accent}
          face={<Icon size={60} />}
        />
      </div>
      <AbsoluteFill style={ride(frame, durationInFrames, 2, 1.4)}>
        <Canvas frame={frame} title={title} person={person} />
        <div
          style={{
            position: 'absolute',
            left: 960,
            top: 738,
            width: 840,
            height: 128,
            boxSizing: 'border-box',
            borderRadius: 24,
            background: C.raised,
            border: `2px solid ${accent}`,
            display: 'flex',
            alignItems: 'center',
            gap: 20,
            padding: '0 30px',
            boxShadow: '0 30px 80px rgba(0,0,0,0.55)',
            opacity: Math.min(1, offer),
            transform: `translate(30px, ${(1 - offer) * 90}px)`,
          }}
        >
          <Icon size={60} />
          <div style={{ flex: 1, font: `600 36px/1.2 ${SANS}`, letterSpacing: '-0.02em', color: C.bone }}>
            <div style={{ font: `500 22px ${SANS}`, letterSpacing: 0, color: C.muted, marginBottom: 4 }}>
              Proposed title
            </div>
            {proposal}
          </div>
          <span style={{ ...button, color: C.muted, border: `2px solid ${C.line}` }}>Dismiss</span>
          <span
            style={{
              ...button,
              background: accent,
              color: C.ink,
              transform: `scale(${1 - 0.06 * Math.sin(Math.PI * tween(frame, 78, 86))})`,
            }}
          >
            Accept
          </span>
        </div>
        <Cursor
          name='Brain'
          color={accent}
          x={interpolate(come, [0, 1], [1400, 1620])}
          y={interpolate(come, [0, 1], [960, 600]) - tween(frame, 44, 66) * 90}
          opacity={come}
        />
      </AbsoluteFill>
    </AbsoluteFill>
  );
};

export default BrainIsAMember;
