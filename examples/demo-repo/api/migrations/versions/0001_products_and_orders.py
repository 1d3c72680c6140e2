"""Products, orders, and the first things to sell."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PRODUCTS = [
    ("Tea towel", "Linen, washed soft, 50 by 70 cm", 1490),
    ("Enamel mug", "Holds 350 ml and survives the garden", 1250),
    ("Bread knife", "Forged, with a handle of ash", 4900),
    ("Oil bottle", "Dark glass, a steel spout, half a litre", 1890),
    ("Seed box", "Oak, twelve compartments, one a month", 3400),
    ("Candle", "Beeswax, burns for forty hours", 990),
]


def upgrade() -> None:
    products = op.create_table(
        "products",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("price_cents", sa.Integer, sa.CheckConstraint("price_cents > 0"), nullable=False),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id"), nullable=False),
        sa.Column("quantity", sa.Integer, sa.CheckConstraint("quantity > 0"), nullable=False),
        sa.Column("total_cents", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="pending"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("processed_at", sa.DateTime(timezone=True)),
    )
    op.create_index(
        "orders_pending", "orders", ["created_at"], postgresql_where=sa.text("status = 'pending'")
    )
    op.bulk_insert(
        products,
        [{"name": name, "description": text, "price_cents": cents} for name, text, cents in PRODUCTS],
    )


def downgrade() -> None:
    op.drop_table("orders")
    op.drop_table("products")
