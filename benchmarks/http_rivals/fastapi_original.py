"""The same service as FastAPI, SQLModel and asyncpg make it, the usual way."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
from fastapi import Depends, FastAPI, Query
from sqlalchemy import Column, DateTime, Numeric
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks.http_rivals.query import login


class TransactionBase(SQLModel):
    user_id: UUID
    amount: Decimal = Field(max_digits=20, decimal_places=2)
    currency: str
    txn_date: datetime
    status: str
    meta_data: dict[str, Any] = {}


class Transaction(TransactionBase, table=True):
    __tablename__ = "transactions"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    amount: Decimal = Field(sa_column=Column(Numeric(20, 2)))
    txn_date: datetime = Field(sa_column=Column(DateTime(timezone=True)))
    meta_data: dict[str, Any] = Field(default={}, sa_column=Column(JSONB))
    received_at: datetime = Field(default_factory=lambda: datetime.now(UTC), sa_column=Column(DateTime(timezone=True)))


class TransactionCreate(TransactionBase):
    id: UUID


class TransactionRead(TransactionBase):
    id: UUID
    received_at: datetime


async def connect() -> Any:
    values = login()
    return await asyncpg.connect(
        host=values.get("host") or None,
        port=int(values.get("port") or 5432),
        user=values.get("user"),
        password=values.get("password") or None,
        database=values["dbname"],
    )


engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, pool_size=8)
make_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
app = FastAPI()


async def session() -> Any:
    async with make_session() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]


@app.get("/transactions/", response_model=list[TransactionRead])
async def read_transactions(
    session: Session,
    user_id: UUID,
    from_date: datetime,
    to_date: datetime,
    min_amount: Decimal,
    max_amount: Decimal,
    limit: Annotated[int, Query(le=1000)] = 100,
) -> Any:
    statement = (
        select(Transaction)
        .where(Transaction.user_id == user_id)
        .where(Transaction.txn_date >= from_date, Transaction.txn_date <= to_date)
        .where(Transaction.amount >= min_amount, Transaction.amount <= max_amount)
        .order_by(col(Transaction.txn_date).desc(), col(Transaction.id))
        .limit(limit)
    )
    return (await session.exec(statement)).all()


@app.post("/transactions/", response_model=TransactionRead, status_code=201)
async def create_transaction(session: Session, transaction: TransactionCreate) -> Any:
    stored = Transaction.model_validate(transaction)
    session.add(stored)
    await session.commit()
    await session.refresh(stored)
    return stored


@app.post("/transactions/bulk/", response_model=list[TransactionRead], status_code=201)
async def create_transactions(session: Session, transactions: list[TransactionCreate]) -> Any:
    stored = [Transaction.model_validate(one) for one in transactions]
    session.add_all(stored)
    await session.commit()
    return stored
